"""A topic's rows for an audit: DuckDB over the archive's files, from the oldest window to the audited one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rapport.archive import Snapshot, stored_schema
from rapport.archive.sql import relation
from rapport.audit.fields import fields_of
from rapport.audit.profile import Counts, zeros
from rapport.audit.span import Span
from rapport.clock import from_us

if TYPE_CHECKING:
    import duckdb

__all__ = ["TopicRows", "by_day", "thin"]


class TopicRows:
    """SQL text over one snapshot of a topic, and a connection to ask it.

    Attributes:
        arrives: whether rows have a time of arrival apart from the event's.
        arrival: the column whose time decides of the window.
        time, late: expressions for that time, and for how long the event was on its way; microseconds.
        day: an expression for the day whose window a row is in; null: in none.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, topic: str, snapshot: Snapshot, span: Span) -> None:
        schema = stored_schema(topic)
        self.connection = connection
        self.topic = topic
        self.fields = fields_of(topic)
        self.span = span
        self.source = relation(snapshot, schema)
        self.arrives = "arrival_time" in schema.names
        self.arrival = "arrival_time" if self.arrives else "event_time"
        self.time = f"epoch_us({self.arrival})"
        self.late = f"({self.time} - epoch_us(event_time))"
        self.day = span.day_sql(self.time)

    def rows(self) -> str:
        """FROM text, to which conditions may be added with AND."""
        return (
            f"{self.source} WHERE {self.arrival} >= {self.first()} AND {self.arrival} < {_moment(self.span.until_us)}"
        )

    def first(self) -> str:
        """The literal of the time at which the oldest window begins."""
        return _moment(self.span.first_us)

    def ask(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows of a query's answer."""
        found: list[tuple[Any, ...]] = self.connection.execute(query, list(values)).fetchall()
        return found

    def make(self, table: str, query: str) -> None:
        """Make a temporary table of a query, in the place of one of that name."""
        self.connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {query}")


def thin(key: str, share: float) -> str:
    """The condition that a key is among a share of all keys: the same ones each time."""
    return "true" if share >= 1 else f"hash({key}) < {int(share * 2**64)}::UBIGINT"


def by_day(found: Sequence[tuple[Any, ...]]) -> Counts:
    """int64[DAYS] of (day, rows)."""
    counts = zeros()
    for day, rows in found:
        counts[day] = rows
    return counts


def _moment(time_us: int) -> str:
    return f"TIMESTAMPTZ '{from_us(time_us).isoformat()}'"
