"""Looking into a payload: values by path, and a row per item of a list in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from rapport.errors import EventError
from rapport.mapping.templates import ROW

__all__ = ["HEADER", "ITSELF", "MAX_ITEMS", "Payload", "is_item_path", "parse_payload"]

HEADER = "$header."
"""What paths of the request's headers begin with."""
ITSELF = "$"
"""The path of a payload that is a list."""
MAX_ITEMS = 5_000
"""Events that one payload may give by one rule."""

_decode = msgspec.json.Decoder(float_hook=Decimal).decode


@dataclass(frozen=True, slots=True)
class Payload:
    """A payload as values, numbers with a point as exact decimals, and the headers that came with it, by their names in
    small letters."""

    value: Any
    headers: Mapping[str, str]

    def at(self, path: str) -> Any:
        """The value at a path; None where there is none, and for a blank text."""
        if path.startswith(HEADER):
            return self.headers.get(path.removeprefix(HEADER).lower()) or None
        return _walk(self.value, path)

    def rows(self, each: str, paths: Iterable[str]) -> dict[str, list[Any]]:
        """The values at each path, as columns: a row per item of the list at `each`, or one row.

        Raises:
            EventError: there is no list at `each`, or it is too long.
        """
        if not each:
            return {ROW: ["1"], **{path: [self.at(path)] for path in paths}}
        items = self._items(each)
        columns: dict[str, list[Any]] = {ROW: [str(number) for number in range(1, len(items) + 1)]}
        for path in paths:
            inner = _below(path, each)
            columns[path] = [self.at(path)] * len(items) if inner is None else [_walk(item, inner) for item in items]
        return columns

    def _items(self, each: str) -> Sequence[Any]:
        items = self.value if each == ITSELF else self.at(each)
        if not isinstance(items, list):
            raise EventError("bad_value", each, "the payload has no list there, which gives an event per item")
        if len(items) > MAX_ITEMS:
            raise EventError("too_large", each, f"{len(items):,} items; {MAX_ITEMS:,} are allowed in one payload")
        return items


def parse_payload(body: bytes, headers: Mapping[str, str]) -> Payload:
    """The payload that a body is.

    Args:
        body: JSON.
        headers: of the request, by their names in small letters.

    Raises:
        EventError: bad_json.
    """
    try:
        return Payload(_decode(body), headers)
    except RecursionError:
        raise EventError("bad_json", "", "the JSON is nested too deeply") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise EventError("bad_json", "", f"the payload is not JSON: {error}") from None


def is_item_path(path: str, each: str) -> bool:
    """Whether a path leads into the items of the list at `each`."""
    return bool(each) and _below(path, each) is not None


def _below(path: str, each: str) -> str | None:
    return path[len(each) + 1 :] if path.startswith(f"{each}.") else "" if path == each else None


def _walk(value: Any, path: str) -> Any:
    for step in path.split(".") if path else ():
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return None if isinstance(value, str) and not value.strip() else value
