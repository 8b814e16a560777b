"""Events of several customers as an OnlineWriter takes them, delivered well or badly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from rapport.bus.protocol import Position
from rapport.online.writer import ApplyReport, OnlineWriter
from rapport.testing.oracle import OracleEvent
from rapport.windows import Events, Kind, column_of

__all__ = ["CustomerEvent", "deliver", "events_of"]

CustomerEvent = tuple[str, OracleEvent]
"""(customer_id, (event_id, event_time_us, column values))."""


def events_of(
    kinds: Mapping[str, Kind], events: Sequence[OracleEvent], scales: Mapping[str, int] = MappingProxyType({})
) -> Events:
    """The engine's columns of some events; a column that an event does not have is null."""
    times = np.array([time for _, time, _ in events], np.int64)
    columns = {
        name: column_of(kind, [values.get(name) for _, _, values in events], scales.get(name, 0))
        for name, kind in kinds.items()
    }
    return Events(times, columns)


def deliver(
    writer: OnlineWriter,
    kinds: Mapping[str, Kind],
    events: Sequence[CustomerEvent],
    *,
    batches: Sequence[slice] = (slice(None),),
    partition: int = 0,
    scales: Mapping[str, int] = MappingProxyType({}),
) -> list[ApplyReport]:
    """Apply events, at positions (1, 1), (1, 2), …, in batches: overlapping slices are redeliveries."""
    numbered = [(Position(1, number), event) for number, event in enumerate(events, start=1)]
    reports = []
    for batch in batches:
        part = numbered[batch]
        ids, occurred = [customer for _, (customer, _) in part], [event for _, (_, event) in part]
        reports.append(writer.apply(ids, [place for place, _ in part], partition, events_of(kinds, occurred, scales)))
    return reports
