"""The parts of a mapping file that do not depend on what is mapped: where a value comes from, and what it must be.

The schemas are closed: a key that is not here is refused, with the line it is on. A "column" is a column of a data
file, or a path such as `customer.id` into a JSON object.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

__all__ = [
    "Columns",
    "Condition",
    "CustomerRule",
    "FieldRule",
    "MappingName",
    "Scalar",
    "TimeRule",
    "Topic",
    "ValueType",
]

Scalar = str | int | float | bool
ValueType = Literal["string", "id", "integer", "decimal", "number", "boolean"]
Topic = Literal["customer_clicks", "purchase_events", "support_tickets", "chat_messages", "feedback"]
Columns = Annotated[list[str], Meta(min_length=1)]
MappingName = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,39}$")]


class _Closed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


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
    cut: Annotated[int, Meta(ge=1, le=4_000)] | None = None
    """Keep so many characters of a text, and leave out the rest."""


class Condition(_Closed, frozen=True):
    """What a column's value must be; all that are given must hold."""

    equals: Scalar | None = None
    one_of: list[Scalar] | None = None
    starts_with: str | None = None
    below: int | float | None = None
    above: int | float | None = None
    empty: bool | None = None
