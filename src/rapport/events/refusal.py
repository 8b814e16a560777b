"""From the decoder's errors to ours: which field, which value, why, and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from rapport.errors import EventError
from rapport.events.fields import allowed_fields

__all__ = ["explain", "explain_values", "refuse_value"]

_PATH = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<path>.*)`)?$", re.DOTALL)
_NAMED = re.compile(r"^Object (?P<how>missing required|contains unknown) field `(?P<name>.*)`$", re.DOTALL)
_QUOTED = 80
_ABSENT = object()


def explain(topic: str, raw: bytes, error: Exception) -> EventError:
    """The refusal of `raw`, which msgspec would not decode as an event of `topic`."""
    if not isinstance(error, msgspec.ValidationError):
        return _not_json(error)
    return _explain(topic, error, lambda field: _value(raw, field))


def explain_values(topic: str, values: Mapping[str, Any], error: msgspec.ValidationError) -> EventError:
    """The refusal of values that msgspec would not convert into an event of `topic`."""
    return _explain(topic, error, lambda field: values.get(field, _ABSENT))


def _explain(topic: str, error: msgspec.ValidationError, value_of: Callable[[str], Any]) -> EventError:
    match = _PATH.match(str(error))
    what, path = (match["what"], match["path"] or "") if match else (str(error), "")
    named = _NAMED.match(what)
    field = named["name"] if named else path
    value = value_of(field)
    if field == "customer_id" and value in (_ABSENT, None, ""):
        return EventError("no_customer", field, "the event says of no customer; give the customer's id")
    if named and named["how"] == "missing required":
        return EventError("missing_field", field, f"is missing; allowed: {_allowed(topic, field)}")
    if named:
        known = ", ".join(allowed_fields(topic))
        return EventError("unknown_field", _short(field), f"{topic} has no such field; it has {known}")
    if not field:
        return EventError("bad_value", "", f"{what}: an event is a JSON object")
    return refuse_value(topic, field, value)


def refuse_value(topic: str, field: str, value: Any) -> EventError:
    """The refusal of a field's value."""
    return EventError("bad_value", field, f"{_quote(value)} is refused; allowed: {_allowed(topic, field)}")


def _not_json(error: Exception) -> EventError:
    if isinstance(error, UnicodeDecodeError):
        return EventError("bad_json", "", f"not UTF-8: {error.reason}")
    if isinstance(error, RecursionError):
        return EventError("bad_json", "", "nested too deeply; an event is a flat JSON object")
    return EventError("bad_json", "", f"{error}; an event is one JSON object")


def _value(raw: bytes, field: str) -> Any:
    try:
        whole = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _ABSENT
    return whole.get(field, _ABSENT) if isinstance(whole, dict) else _ABSENT


def _quote(value: Any) -> str:
    """The value as JSON, shortened."""
    if value is _ABSENT:
        return "the value"
    try:
        return _short(msgspec.json.encode(value).decode())
    except RecursionError:
        return "a deeply nested value"
    except (msgspec.MsgspecError, OverflowError, TypeError, ValueError):
        # What no JSON says, as bytes that are no text.
        return _short(repr(value))


def _short(text: str) -> str:
    return text if len(text) <= _QUOTED else text[: _QUOTED - 1] + "…"


def _allowed(topic: str, field: str) -> str:
    known = allowed_fields(topic)
    return known[field].words if field in known else "a flat object of the documented fields"
