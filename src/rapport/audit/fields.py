"""What an audit looks at in each topic: the fields of its events, as they lie in the archive.

Read off the structs of rapport.events.schema, so that a new field is audited without being named here. Columns that
ingest derives are left out: they say again what a field says.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias

from msgspec import inspect

from rapport.archive.schema import DECISIONS
from rapport.archive.sql import identifier
from rapport.events.columns import COLUMNS
from rapport.events.fields import field_types

__all__ = ["AuditField", "FieldKind", "fields_of"]

FieldKind: TypeAlias = Literal["id", "word", "number", "length"]
"""`id`: only its shape is ever told. `word`: one of a few values, perhaps. `number`. `length`: a free text, of which
nothing but its length is looked at."""

_APART = ("event_time", "schema_version")
_LONG_TEXT = 256
_SPLIT = {
    ("purchase_events", "order_id"): "coalesce(order_id, cancelled_order_id)",
    ("purchase_events", "amount"): "coalesce(amount_micros, refund_micros) / 1e6",
}
"""Fields that ingest spreads over several columns."""


@dataclass(frozen=True, slots=True)
class AuditField:
    """A field of a topic's events.

    Attributes:
        name: the event's name of it.
        sql: DuckDB's expression for it over the archive's columns: text, or a double for numbers and lengths.
        required: an event without it is refused.
    """

    name: str
    kind: FieldKind
    sql: str
    required: bool


@cache
def fields_of(topic: str) -> tuple[AuditField, ...]:
    """The fields that are looked at, in the struct's order; of decisions none but their ids."""
    if topic == DECISIONS:
        return tuple(AuditField(name, "id", identifier(name), True) for name in ("decision_id", "customer_id"))
    return tuple(_field(topic, field) for field in field_types(topic) if field.name not in _APART)


def _field(topic: str, field: inspect.Field) -> AuditField:
    kind = _kind(field.type)
    return AuditField(field.name, kind, _sql(topic, field.name, kind), field.required)


def _kind(kind: inspect.Type) -> FieldKind:
    match kind:
        case inspect.UnionType(types=types):
            return next(_kind(one) for one in types if not isinstance(one, inspect.NoneType))
        case inspect.Metadata(type=inside, extra_json_schema=extra):
            # A pattern that refuses control characters alone is an id's; one for its letters is a code's, as EUR.
            return "id" if "[^" in str((extra or {}).get("pattern", "")) else _kind(inside)
        case inspect.IntType() | inspect.FloatType() | inspect.DecimalType():
            return "number"
        case inspect.StrType(max_length=length):
            return "length" if length is None or length > _LONG_TEXT else "word"
        case _:
            return "word"


def _sql(topic: str, name: str, kind: FieldKind) -> str:
    if (topic, name) in _SPLIT:
        return _SPLIT[topic, name]
    if kind == "length":
        return f"CAST(length({identifier(name)}) AS DOUBLE)"
    if kind == "number":
        stored = identifier(name) if name in COLUMNS[topic] else f"{identifier(f'{name}_micros')} / 1e6"
        return f"CAST({stored} AS DOUBLE)"
    return f"CAST({identifier(name)} AS VARCHAR)"
