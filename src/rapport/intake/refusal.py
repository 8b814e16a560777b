"""Requests that are refused, and why: one shape for every error, `{"error": {"field", "reason", "detail"}}`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

__all__ = ["Refusal", "refusal_of"]

_SHOWN = 80
_MISSING = re.compile(r"^Object missing required field `(?P<name>[^`]*)`(?: - at `(?P<path>.*)`)?$")
_UNKNOWN = re.compile(r"^Object contains unknown field `(?P<name>.*?)`(?: - at `(?P<path>\$[^`]*)`)?$", re.DOTALL)
_PLACED = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>.*)`)?$", re.DOTALL)
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")


class Refusal(Exception):  # noqa: N818 - a state of the request, named as its callers read it
    """A request that is not served as it is.

    Attributes:
        status: HTTP status, 4xx, or 503 for `POST /events` and `POST /feedback` when the bus is down.
        reason: stable code.
        field: dotted path of the offending field, "" for the request as a whole.
        detail: one sentence with the value (at most 80 characters) and what is allowed.
        headers: further headers of the answer.
    """

    def __init__(
        self, status: int, reason: str, field: str, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason
        self.field = field
        self.detail = detail
        self.headers = dict(headers or {})

    def body(self) -> bytes:
        error = {"field": self.field, "reason": self.reason, "detail": self.detail}
        return msgspec.json.encode({"error": error})


def refusal_of(error: Exception, body: bytes) -> Refusal:
    """What the decoder says of a body, as a refusal that names field, value and what is allowed.

    Args:
        error: a msgspec or Unicode error, or RecursionError, from decoding `body`.
    """
    if isinstance(error, RecursionError):
        return Refusal(400, "bad_json", "", "the JSON is nested too deeply")
    if not isinstance(error, msgspec.ValidationError):
        return Refusal(400, "bad_json", "", f"the body is not JSON: {error}")
    text = str(error)
    for pattern, reason, said in (
        (_MISSING, "missing_field", "is required and was not given"),
        (_UNKNOWN, "unknown_field", "is not a field of this request; see /openapi.json for the fields"),
    ):
        if match := pattern.match(text):
            parent = _dotted(match["path"])
            name = _shown(match["name"])
            return Refusal(400, reason, f"{parent}.{name}" if parent else name, said)
    match = _PLACED.match(text)
    path = match["path"] if match else None
    what = match["what"] if match else text
    return Refusal(400, "bad_value", _dotted(path), f"{what}; got {_value_at(body, path)}")


def _dotted(path: str | None) -> str:
    return (path or "$").removeprefix("$").removeprefix(".")


def _value_at(body: bytes, path: str | None) -> str:
    try:
        value: Any = msgspec.json.decode(body)
        for name, index in _STEP.findall((path or "$").removeprefix("$")):
            value = value[name] if name else value[int(index)]
    except (msgspec.MsgspecError, LookupError, TypeError, ValueError, RecursionError):
        return "another value"
    if isinstance(value, str):
        return repr(_shown(value))
    return _shown(msgspec.json.encode(value).decode())


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
