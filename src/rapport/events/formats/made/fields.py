"""A struct's fields in terms that the schema languages share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from msgspec import NODEFAULT, inspect

from rapport.events.fields import allowed_fields, field_types
from rapport.events.schema import EVENT_TYPES

__all__ = ["NAMESPACE", "Field", "FieldType", "about", "fields_of", "record_name"]

NAMESPACE = "rapport.events"

FieldType: TypeAlias = Literal["text", "choice", "int", "float", "money", "time", "bool"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field.

    Attributes:
        name: its name.
        type: what it holds.
        required: whether every event has it.
        nullable: whether it may be null, which is its default then.
        default: what it is when it is left out, if not null.
        choices: of a choice.
        words: what it may hold beside null, for people.
    """

    name: str
    type: FieldType
    required: bool
    nullable: bool
    default: Any
    choices: tuple[str, ...]
    words: str


def fields_of(topic: str) -> list[Field]:
    """The fields of a topic's events, in the struct's order."""
    words = {name: field.words for name, field in allowed_fields(topic).items()}
    return [_field(field, words[field.name]) for field in field_types(topic)]


def record_name(topic: str) -> str:
    """What the schemas call an event of a topic: its struct's name."""
    return EVENT_TYPES[topic].__name__


def about(topic: str) -> str:
    """What the struct says of itself, in a line."""
    return " ".join((EVENT_TYPES[topic].__doc__ or "").split())


def _field(field: inspect.Field, words: str) -> Field:
    kinds = field.type.types if isinstance(field.type, inspect.UnionType) else (field.type,)
    nullable = any(isinstance(kind, inspect.NoneType) for kind in kinds)
    (kind,) = [_inside(kind) for kind in kinds if not isinstance(kind, inspect.NoneType)]
    default = None if field.default is NODEFAULT else field.default
    what = _type(kind)
    # What JSON says of null and of times, the other languages say in their types.
    words = "time of the event, 1970 or later" if what == "time" else words.removesuffix(" or null")
    return Field(field.name, what, field.required, nullable, default, _choices(kind), words)


def _inside(kind: inspect.Type) -> inspect.Type:
    return kind.type if isinstance(kind, inspect.Metadata) else kind


def _type(kind: inspect.Type) -> FieldType:
    match kind:
        case inspect.LiteralType(values=values):
            return "choice" if isinstance(values[0], str) else "int"
        case inspect.StrType():
            return "text"
        case inspect.IntType():
            return "int"
        case inspect.FloatType():
            return "float"
        case inspect.DecimalType():
            return "money"
        case inspect.DateTimeType():
            return "time"
        case inspect.BoolType():
            return "bool"
        case _:
            raise TypeError(f"no schema language has a type for {kind}")


def _choices(kind: inspect.Type) -> tuple[str, ...]:
    if isinstance(kind, inspect.LiteralType) and isinstance(kind.values[0], str):
        return tuple(str(value) for value in kind.values)
    return ()
