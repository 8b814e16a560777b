"""Plain feature views: values that somebody pushed, stored by Feast as protobuf, one field per feature."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from rapport.errors import RowCorrupt
from rapport.online.keys import field_of, time_field
from rapport.online.rows import EXPIRED, MISSING, PRESENT, FeatureValue
from rapport.online.timestamps import decode_timestamp_us
from rapport.windows import Kind

__all__ = ["PlainView", "decode_value", "plain_status"]

_SHORT = 16


@dataclass(frozen=True, slots=True)
class PlainView:
    """A plain view as a service reads it: some of its features, their kinds, and its time to live."""

    name: str
    features: tuple[str, ...]
    kinds: tuple[Kind, ...]
    ttl_us: int | None = None

    @property
    def fields(self) -> list[bytes]:
        """The hash fields to read: the features', then the newest time's."""
        return [*(field_of(self.name, feature) for feature in self.features), time_field(self.name)]


def plain_status(time: bytes | None, ttl_us: int | None, as_of_us: int) -> tuple[str, int]:
    """The status of a stored view and the time of its newest value (0: missing), from its `_ts:` field.

    Raises:
        RowCorrupt
    """
    if time is None:
        return MISSING, 0
    newest_us = decode_timestamp_us(time)
    expired = ttl_us is not None and as_of_us - newest_us > ttl_us
    return (EXPIRED if expired else PRESENT), newest_us


def decode_value(data: bytes | None) -> FeatureValue:
    """A scalar of Feast's Value message; None for null and for a field that is not there.

    Raises:
        RowCorrupt: the bytes are not a Value, or hold a list or a map.
    """
    if not data:
        return None
    # what is short is often the same: a locale, a flag
    return _decoded(data) if len(data) <= _SHORT else _decoded.__wrapped__(data)


@lru_cache(maxsize=1_024)
def _decoded(data: bytes) -> FeatureValue:
    try:
        value = _message().FromString(data)
    except DecodeError as error:
        raise RowCorrupt(f"a stored feature value {data[:40].hex()} is not a Feast Value: {error}") from error
    which = value.WhichOneof("val")
    found = None if which is None else getattr(value, which)
    if found is None or isinstance(found, int | float | str | bool):
        return found
    raise RowCorrupt(f"a stored feature value is a {which}; numbers, strings and booleans are read here")


@cache
def _message() -> Any:
    # Feast takes seconds to import, and only plain views need it.
    from feast.protos.feast.types.Value_pb2 import Value

    return Value
