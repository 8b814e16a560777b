"""What each field of an event may hold, in words, read off the structs: for error messages and the documentation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from msgspec import inspect

from rapport.events.schema import EVENT_TYPES

__all__ = ["Allowed", "allowed_fields"]

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
    info = inspect.type_info(EVENT_TYPES[topic])
    if not isinstance(info, inspect.StructType):
        raise TypeError(f"{EVENT_TYPES[topic]} is not a struct")
    return {field.name: Allowed(field.name, field.required, _words(field.type)) for field in info.fields}


def _words(kind: inspect.Type) -> str:
    match kind:
        case inspect.UnionType(types=types):
            return " or ".join(_words(one) for one in sorted(types, key=lambda one: isinstance(one, inspect.NoneType)))
        case inspect.LiteralType(values=values):
            return "one of " + ", ".join(str(value) for value in values) if len(values) > 1 else str(values[0])
        case inspect.StrType():
            return _text(kind)
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


def _text(kind: inspect.StrType) -> str:
    shape = "".join(_shapes(kind.pattern or ""))
    if kind.max_length is None:
        return shape
    length = f"{kind.min_length} to {kind.max_length:,}" if kind.min_length else f"at most {kind.max_length:,}"
    return f"text of {length} characters" + (f", {shape}" if shape else "")


def _shapes(pattern: str) -> Iterable[str]:
    return (words for part, words in _PATTERNS.items() if part in pattern)
