"""Erasing a customer: from the bus, the online store, what triggers keep, the archive with its decisions, dead letters.

In this order, since each place feeds the next: what waits on the bus would otherwise bring the customer back behind the
erasure's back. Each step can be repeated, so an erasure that was interrupted is finished by asking for it again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import redis

from rapport.archive import Archive
from rapport.bus.protocol import START, Bus, Position
from rapport.dead_letters import erase_customer
from rapport.delivery.deliveries import Deliveries
from rapport.online import delete_customer
from rapport.triggers.file import TRIGGERS_TOPIC
from rapport.triggers.store import TriggerStore

__all__ = ["Consumers", "Erasure", "Show", "erase"]

_ASK_EVERY_S = 0.2
Consumers = Iterable[tuple[str, str]]
"""Groups, each with a topic that it reads."""
Show = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Erasure:
    """What an erasure did.

    Attributes:
        unread: records that were on the bus before it began and that nobody had read when it ended: the customer's may
            be among them. 0: complete.
        freed: read records that were dropped from the bus, of all customers.
        online: whether the online store had anything.
        archived: rows that were in the archive, decisions and pushed files included.
        letters: dead letters.
        triggers: triggers that knew the customer, and firings that were not on the bus yet.
        deliveries: of the webhook, that waited or had failed.
    """

    unread: int
    freed: int
    online: bool
    archived: int
    letters: int
    triggers: int
    deliveries: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def erase(
    customer_id: str,
    bus: Bus,
    client: redis.Redis,
    project: str,
    archive: Archive,
    consumers: Consumers,
    *,
    wait_s: float = 60.0,
    show: Show = lambda text: None,
) -> Erasure:
    """Erase all that was accepted of a customer before this call.

    Args:
        bus: with the events that are on their way.
        client: the online store's Redis, with a writer's timeout.
        project: the Feast project.
        consumers: who reads what on the bus. Firings that they have read stay there, as long as firings do.
        wait_s: how long to wait for them to have read what is there.
        show: told what is being done.

    Raises:
        BusUnavailable, StoreUnavailable, ArchiveError: what was done so far stays done.
    """
    every = list(consumers)
    found = [one for one in every if one[1] != TRIGGERS_TOPIC]
    webhooks = [one for one in every if one[1] == TRIGGERS_TOPIC]
    show("waiting for the flows to have read what is on the bus")
    deadline_s = time.monotonic() + wait_s
    unread = _wait(bus, found, deadline_s)
    freed = 0
    if not getattr(
        bus, "keeps_read", False
    ):  # such a bus's records are others' to read as well, and go by its own rule
        freed = sum(_free(bus, topic, [group for group, read in found if read == topic]) for topic in _topics(found))
    show("erasing from the online store")
    online = delete_customer(client, project, customer_id)
    show("erasing what triggers keep")
    triggers = TriggerStore(client).erase(customer_id)
    unread += _wait(bus, webhooks, deadline_s)
    deliveries = Deliveries(client).erase(customer_id)
    show("erasing from the archive")
    archived = archive.delete_customer(customer_id)
    show("erasing dead letters")
    letters = erase_customer(bus, customer_id)
    return Erasure(unread, freed, online, archived, letters, triggers, deliveries)


def _wait(bus: Bus, consumers: list[tuple[str, str]], deadline_s: float) -> int:
    """Wait until everybody has read what is there now, and what comes of it; returns how many records are unread."""
    checked = {topic for _, topic in consumers if topic.endswith(".checked")}
    first = [(group, topic) for group, topic in consumers if topic not in checked]
    second = [(group, topic) for group, topic in consumers if topic in checked]
    for some in (first, second):
        now_us = time.time_ns() // 1_000
        while unread := sum(_unread(bus, group, topic, now_us) for group, topic in some):
            if time.monotonic() >= deadline_s:
                return unread
            time.sleep(_ASK_EVERY_S)
    return 0


def _unread(bus: Bus, group: str, topic: str, until_us: int) -> int:
    """How many records are unread of partitions whose next one arrived by a time (microseconds, UTC)."""
    count = 0
    for partition in range(bus.partitions(topic)):
        reader = bus.reader(topic, partition, bus.position(group, topic, partition))
        lag = reader.lag()
        waiting = reader.poll(1) if lag else None
        count += lag if waiting is not None and waiting.arrivals_us[0] <= until_us else 0
    return count


def _free(bus: Bus, topic: str, groups: list[str]) -> int:
    """Drop what all groups have read, the last record too."""
    freed = 0
    for partition in range(bus.partitions(topic)):
        slowest = min(bus.position(group, topic, partition) for group in groups)
        if slowest > START:
            freed += bus.trim(topic, partition, Position(slowest.hi, slowest.lo + 1))
    return freed


def _topics(consumers: list[tuple[str, str]]) -> list[str]:
    return list(dict.fromkeys(topic for _, topic in consumers))
