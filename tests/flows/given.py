"""Events to ingest, and what became of them."""

from __future__ import annotations

from typing import Any

import msgspec

from rapport.bus import Bus, Message
from rapport.dead_letters import DEAD_LETTERS, DeadLetter
from rapport.events.block import read_blocks

STORE_YAML = """
project: rapport
provider: local
registry: registry.db
online_store: {type: rapport.feast.online_store.RapportOnlineStore, connection_string: "%s"}
offline_store: {type: rapport.feast.offline_store.RapportOfflineStore}
entity_key_serialization_version: 3
"""
"""feature_store.yaml of a repository on this Redis."""


def feedback(event_id: str, customer_id: str = "c1", **changes: Any) -> bytes:
    event = {"event_id": event_id, "customer_id": customer_id, "event_time": "2025-03-01T12:00:00Z", "csat": 3}
    return msgspec.json.encode({**event, **changes})


def message(event_id: str, customer_id: str = "c1", origin: str = "", **changes: Any) -> Message:
    return Message("feedback", customer_id, feedback(event_id, customer_id, **changes), origin)


def values(bus: Bus, topic: str) -> list[bytes]:
    found = []
    for partition in range(bus.partitions(topic)):
        reader = bus.reader(topic, partition)
        while batch := reader.poll(1_000):
            found += batch.values
    return found


def checked(bus: Bus, topic: str = "feedback") -> list[dict[str, Any]]:
    """The checked rows by column name."""
    return [row for block in read_blocks(topic, values(bus, f"{topic}.checked")) for row in block.to_pylist()]


def letters(bus: Bus) -> list[DeadLetter]:
    return [msgspec.json.decode(value, type=DeadLetter) for value in values(bus, DEAD_LETTERS)]
