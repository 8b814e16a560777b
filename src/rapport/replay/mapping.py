"""The mapping file: which columns of a data file become which fields of which events.

The schema is closed: a key that is not here is refused, with the line it is on. docs/replay.md explains every key.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from rapport.mapping.rules import Columns, Condition, CustomerRule, FieldRule, MappingName, TimeRule, Topic

__all__ = ["Case", "EventIdRule", "FileFormat", "Mapping"]

Reason = Literal["bad_value", "missing_field", "no_customer"]


class _Closed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class FileFormat(_Closed, frozen=True):
    """How the file is written; what is left out is found from its name and content."""

    type: Literal["auto", "csv", "whitespace", "jsonl", "parquet"] = "auto"
    delimiter: Annotated[str, Meta(min_length=1, max_length=1)] = ","
    encoding: str = "utf-8"
    layouts: list[Columns] = []
    """Column names by number of columns, for files with no header, or with one that repeats a layout's names."""
    explode: str = ""
    """JSON lines: the list that becomes one row per item; its fields are called `list.field`."""
    missing: list[str] = []
    """Texts that mean "no value", besides an empty one."""


class EventIdRule(_Closed, frozen=True):
    """The event's id: made from mapping, file and row number, or the file's own column."""

    by: Literal["row", "column"] = "row"
    column: str = ""


class Case(_Closed, frozen=True):
    """One kind of row: the rows for which all of `when` holds, and no case before took."""

    when: dict[str, Condition] = {}
    topic: Topic | None = None
    fields: dict[str, str | FieldRule] = {}
    reject: Reason | None = None
    """Send these rows to the dead letters, with this reason."""
    note: str = ""
    """Why, for the dead letter's reader."""


class Mapping(_Closed, frozen=True):
    """A mapping file. Fields at the top are in every case; a case's own come over them."""

    name: MappingName
    time: TimeRule
    customer: CustomerRule
    description: str = ""
    format: FileFormat = FileFormat()
    topic: Topic | None = None
    fields: dict[str, str | FieldRule] = {}
    cases: list[Case] = []
    event_id: EventIdRule = EventIdRule()
    sorted: bool = False
    """The file's rows are in order of time; otherwise they are sorted before they are published."""
