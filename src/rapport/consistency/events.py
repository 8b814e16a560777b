"""The archived events of some customers, with the times at which they arrived."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rapport.archive import Archive, arrow_schema, stored_schema
from rapport.archive.sql import connect, identifier, relation
from rapport.consistency.explain import CustomerEvents
from rapport.consistency.picking import pick_events
from rapport.events.arrow import to_column
from rapport.windows import Events, Kind

__all__ = ["TopicEvents", "first_events", "read_events"]


Ints = npt.NDArray[np.int64]


class TopicEvents:
    """Events of one topic, by customer and time.

    Args:
        rank: int64[n], each event's place in the order of the bus.
        starts: customer to the place of its first event and that after its last.
    """

    def __init__(self, events: Events, arrival_us: Ints, rank: Ints, starts: Mapping[str, tuple[int, int]]) -> None:
        self._events = events
        self._arrival_us = arrival_us
        self._rank = rank
        self._starts = starts

    def of(self, customer_id: str) -> CustomerEvents:
        """One customer's events; none for a customer who was not asked for."""
        first, end = self._starts.get(customer_id, (0, 0))
        order = np.argsort(self._rank[first:end])
        return CustomerEvents(pick_events(self._events, np.arange(first, end)), self._arrival_us[first:end], order)


def read_events(
    archive: Archive, topic: str, kinds: Mapping[str, Kind], customers: Sequence[str], until_us: int
) -> TopicEvents:
    """All events of these customers up to a time, with the columns named in `kinds`.

    An event without an arrival time counts as arrived when it happened.
    """
    columns = "".join(f", {_value(name, kind)} AS {identifier(f'c_{name}')}" for name, kind in kinds.items())
    with archive.snapshot(topic) as snapshot, connect() as connection:
        connection.register("wanted", pa.table({"customer_id": pa.array(customers, pa.string())}))
        table = connection.sql(
            "SELECT customer_id, epoch_us(event_time) AS time, "  # noqa: S608 - identifiers are quoted
            "epoch_us(coalesce(arrival_time, event_time)) AS arrival, "
            f"row_number() OVER (ORDER BY arrival, source_hi, source_lo, time) AS rank{columns} "
            f"FROM {relation(snapshot, stored_schema(topic))} SEMI JOIN wanted USING (customer_id) "
            f"WHERE epoch_us(event_time) <= {until_us} ORDER BY customer_id, time, arrival"
        ).to_arrow_table()
    found = {name: to_column(kind, _joined(table, f"c_{name}")) for name, kind in kinds.items()}
    times, arrivals, rank = (_joined(table, name).to_numpy() for name in ("time", "arrival", "rank"))
    return TopicEvents(Events(times, found), arrivals, rank, _starts(_joined(table, "customer_id")))


def first_events(archive: Archive, customers: Sequence[str]) -> dict[str, int]:
    """The time of each customer's first event in any topic; customers without one are absent."""
    first: dict[str, int] = {}
    for topic in archive.topics():
        if "arrival_time" not in arrow_schema(topic).names:
            continue
        with archive.snapshot(topic) as snapshot, connect() as connection:
            connection.register("wanted", pa.table({"customer_id": pa.array(customers, pa.string())}))
            rows = connection.sql(
                "SELECT customer_id, min(epoch_us(event_time)) "  # noqa: S608
                f"FROM {relation(snapshot, arrow_schema(topic))} SEMI JOIN wanted USING (customer_id) GROUP BY ALL"
            ).fetchall()
        for customer, time_us in rows:
            first[customer] = min(first.get(customer, time_us), time_us)
    return first


def _value(name: str, kind: Kind) -> str:
    return (
        f"CASE WHEN isfinite({identifier(name)}) THEN {identifier(name)} END"
        if kind is Kind.FLOAT
        else identifier(name)
    )


def _joined(table: pa.Table, name: str) -> pa.Array:
    column = table[name]
    return (column.cast(pa.large_string()) if pa.types.is_string(column.type) else column).combine_chunks()


def _starts(customers: pa.Array) -> dict[str, tuple[int, int]]:
    runs = customers.dictionary_encode() if len(customers) else None
    if runs is None:
        return {}
    codes = runs.indices.to_numpy()
    firsts = np.flatnonzero(np.diff(codes, prepend=-1))
    ends = np.append(firsts[1:], len(codes))
    names = runs.dictionary.to_pylist()
    return {names[codes[a]]: (int(a), int(b)) for a, b in zip(firsts, ends, strict=True)}
