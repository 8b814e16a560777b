"""What each field of an event may hold, in words, read off the structs: for error messages and the documentation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from msgspec import inspect

from rapport.events.schema import EVENT_TYPES

__all__ = ["Allowed", "allowed_fields", "field_types", "patterns"]

_PATTERNS = {r"[^\x00-\x1f\x7f]": "no control characters", "[A-Z]{3}": "three capital letters, as EUR"}


@dataclass(frozen=True, slots=True)
class Allowed:
    """One field: whether an event must have it, and what it may hold."""

    name: str
    required: bool
    words: str


@cache
def allowed_fields(topic: str) -> dict[str, Allowed]:
    """The fields of a topic's events by name, in the struct's order."""
    return {field.name: Allowed(field.name, field.required, _words(field.type)) for field in field_types(topic)}


def field_types(topic: str) -> tuple[inspect.Field, ...]:
    """The fields of a topic's events as msgspec describes them, in the struct's order."""
    info = inspect.type_info(EVENT_TYPES[topic])
    if not isinstance(info, inspect.StructType):
        raise TypeError(f"{EVENT_TYPES[topic]} is not a struct")
    return info.fields


def patterns(topic: str) -> dict[str, str]:
    """The regular expression that a field's text has to match, of the fields that have one."""
    return {field.name: pattern for field in field_types(topic) if (pattern := _pattern(field.type))}


def _pattern(kind: inspect.Type) -> str:
    match kind:
        case inspect.UnionType(types=types):
            return "".join(_pattern(one) for one in types)
        case inspect.Metadata(extra_json_schema=extra):
            return str((extra or {}).get("pattern", ""))
        case _:
            return ""


def _words(kind: inspect.Type) -> str:
    match kind:
        case inspect.Metadata(type=inspect.StrType() as inside):
            return _text(inside, _pattern(kind))
        case inspect.UnionType(types=types):
            return " or ".join(_words(one) for one in sorted(types, key=lambda one: isinstance(one, inspect.NoneType)))
        case inspect.LiteralType(values=values):
            return "one of " + ", ".join(str(value) for value in values) if len(values) > 1 else str(values[0])
        case inspect.StrType():
            return _text(kind, "")
        case inspect.IntType(ge=low, le=high):
            return f"integer {low:,} to {high:,}"
        case inspect.FloatType(ge=low, le=high):
            return f"number {low:,.0f} to {high:,.0f}"
        case inspect.DecimalType():
            return "decimal, not negative, with at most 6 decimals, below 9 million million"
        case inspect.DateTimeType():
            return "RFC 3339 time with an offset, 1970 or later, as 2025-01-31T12:00:00Z"
        case inspect.BoolType():
            return "true or false"
        case inspect.NoneType():
            return "null"
        case _:
            raise TypeError(f"no words for {kind}")


def _text(kind: inspect.StrType, pattern: str) -> str:
    shape = "".join(_shapes(pattern))
    if kind.max_length == kind.min_length:
        return shape
    length = f"{kind.min_length} to {kind.max_length:,}" if kind.min_length else f"at most {kind.max_length:,}"
    return f"text of {length} characters" + (f", {shape}" if shape else "")


def _shapes(pattern: str) -> Iterable[str]:
    return (words for part, words in _PATTERNS.items() if part in pattern)
