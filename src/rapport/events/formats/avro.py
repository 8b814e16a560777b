"""Avro payloads: read by the schema that wrote them, with fastavro, then filled into the topic's struct by name."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context, Decimal
from io import BytesIO
from typing import Any, TypeAlias

import fastavro

from rapport.errors import EventError
from rapport.events.fields import allowed_fields
from rapport.events.formats import HEAD_BYTES, Read
from rapport.events.formats.avro_schema import Branches, load_avro
from rapport.events.formats.filling import bad_payload, fill, time_of
from rapport.events.schema import Event
from rapport.registry import RegisteredSchema

__all__ = ["avro_reader"]

_Convert: TypeAlias = Callable[[Any], Any]

_TICKS_A_US = {"timestamp-millis": (1_000, 1), "timestamp-micros": (1, 1), "timestamp-nanos": (1, 1_000)}
_MAX_DECIMAL_BYTES = 32
"""A decimal of more is left as bytes, and so refused: no amount has as many digits."""
_WIDE = Context(prec=100)
_MALFORMED = (EOFError, IndexError, KeyError, MemoryError, OverflowError, TypeError, ValueError)
"""What fastavro raises on bytes that are not what the schema says; UnicodeDecodeError is a ValueError."""


def avro_reader(topic: str, name: str, schema: RegisteredSchema) -> Read:
    """What decodes values of one schema.

    Args:
        topic: the topic whose struct they become.
        name: the schema's, for messages.
        schema: the writer's.

    Raises:
        RegistryRefused: the schema cannot be used.
    """
    plain, fields = load_avro(schema)
    known = allowed_fields(topic)
    ignored = [field for field in fields if field not in known]
    converting = [(field, found) for field, types in fields.items() if field in known and (found := _converters(types))]
    read = fastavro.schemaless_reader

    def decode(raw: bytes) -> Event:
        stream = BytesIO(raw)
        stream.seek(HEAD_BYTES)
        try:
            values: Any = read(stream, plain, None)
        except _MALFORMED as error:
            raise bad_payload(name, error) from None
        if stream.tell() != len(raw):
            raise EventError("bad_payload", "", f"{len(raw) - stream.tell():,} bytes follow what {name} describes")
        for field in ignored:
            del values[field]
        for field, by_type in converting:
            value = values[field]
            convert = by_type.get(type(value))
            if convert is not None:
                values[field] = convert(value)
        return fill(topic, values)

    return decode


def _converters(types: Branches) -> dict[type, _Convert]:
    """How a field's raw values become what the schema means, by their type: a union's branches differ in it."""
    found: dict[type, _Convert] = {}
    for branch in types:
        logical = branch.get("logicalType")
        if logical in _TICKS_A_US:
            found[int] = _time_from(*_TICKS_A_US[logical])
        elif logical == "decimal":
            found[bytes] = _decimal_from(branch.get("scale", 0))
    return found


def _time_from(us_a_tick: int, ticks_a_us: int) -> _Convert:
    return lambda ticks: time_of(ticks * us_a_tick // ticks_a_us)


def _decimal_from(scale: int) -> _Convert:
    exponent = Decimal(-scale)

    def convert(value: bytes) -> Decimal | bytes:
        if len(value) > _MAX_DECIMAL_BYTES:
            return value
        return Decimal(int.from_bytes(value, "big", signed=True)).scaleb(exponent, _WIDE)

    return convert
