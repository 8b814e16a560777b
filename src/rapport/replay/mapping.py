"""The mapping file: which columns of a data file become which fields of which events.

The schema is closed: a key that is not here is refused, with the line it is on. docs/replay.md explains every key.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

__all__ = [
    "Case",
    "Condition",
    "CustomerRule",
    "EventIdRule",
    "FieldRule",
    "FileFormat",
    "Mapping",
    "Scalar",
    "TimeRule",
    "ValueType",
]

Scalar = str | int | float | bool
ValueType = Literal["string", "id", "integer", "decimal", "number", "boolean"]
Topic = Literal["customer_clicks", "purchase_events", "support_tickets", "chat_messages", "feedback"]
Reason = Literal["bad_value", "missing_field", "no_customer"]
Columns = Annotated[list[str], Meta(min_length=1)]


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


class TimeRule(_Closed, frozen=True):
    """The event's time: `iso`, an epoch unit, or a strptime pattern; `zone` for times that carry no offset."""

    column: str
    format: str = "iso"
    zone: str = "UTC"


class CustomerRule(_Closed, frozen=True):
    """The customer's id, and what becomes of rows that have none."""

    column: str
    type: Literal["string", "id"] = "id"
    prefix: str = ""
    when_missing: Literal["dead_letter", "skip"] = "dead_letter"


class EventIdRule(_Closed, frozen=True):
    """The event's id: made from mapping, file and row number, or the file's own column."""

    by: Literal["row", "column"] = "row"
    column: str = ""


class FieldRule(_Closed, frozen=True):
    """One field of the event; exactly one of column, constant, template, product says where it comes from."""

    column: str | None = None
    constant: Scalar | None = None
    template: str | None = None
    """Text with `{column}` in it; `{$row}` is the row's number."""
    product: Columns | None = None
    """Columns whose decimal values are multiplied, exactly."""
    type: ValueType = "string"
    negate: bool = False
    default: Scalar | None = None
    """The value of a row that has none."""
    values: dict[str, Scalar] = {}
    """A translation: the column's text to the field's value; other texts are bad values."""


class Condition(_Closed, frozen=True):
    """What a column's value must be; all that are given must hold."""

    equals: Scalar | None = None
    one_of: list[Scalar] | None = None
    starts_with: str | None = None
    below: int | float | None = None
    above: int | float | None = None
    empty: bool | None = None


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

    name: Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,39}$")]
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
