"""Rows for archive tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from rapport.archive import arrow_schema


def rows(topic: str, events: Sequence[dict[str, Any]]) -> pa.Table:
    """A topic's table; what an event does not give is null, but for required columns and times."""
    schema = arrow_schema(topic)
    defaults: dict[str, Any] = {"customer_id": "c1", "event_time": 0, "schema_version": 1}
    full = [
        {name: event.get(name, defaults.get(name)) for name in schema.names}
        | {"event_id": event.get("event_id", f"e{i}")}
        for i, event in enumerate(events)
    ]
    return pa.table({name: pa.array([row[name] for row in full], schema.field(name).type) for name in schema.names})
