"""Payloads of Protocol Buffers: read by the writer's own message, with protobuf's runtime, then filled in by name."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from rapport.errors import EventError
from rapport.events.fields import allowed_fields
from rapport.events.formats import HEAD_BYTES, Read
from rapport.events.formats.filling import bad_payload, fill, time_of
from rapport.events.formats.proto_files import ProtoFile, load_proto
from rapport.events.schema import Event
from rapport.registry import RegisteredSchema

__all__ = ["protobuf_reader"]

_Convert: TypeAlias = Callable[[Any], Any]
_Pick: TypeAlias = Callable[[Any], dict[str, Any]]
"""Gives the fields of a message that we know and that were set, as plain values by name."""

_MAX_INDEXES = 16
_MALFORMED = (DecodeError, MemoryError, RecursionError, TypeError, ValueError)
_WRAPPERS = {f"google.protobuf.{name}Value" for name in ("String", "Int32", "Int64", "UInt32", "UInt64", "Bool")} | {
    "google.protobuf.DoubleValue",
    "google.protobuf.FloatValue",
}
"""Messages that are their field `value`."""


def protobuf_reader(topic: str, name: str, schema: RegisteredSchema) -> Read:
    """What decodes values of one schema.

    Args:
        topic: the topic whose struct they become.
        name: the schema's, for messages.
        schema: the writer's.

    Raises:
        RegistryRefused: the schema cannot be used.
    """
    file = load_proto(schema)
    by_indexes: dict[bytes, tuple[Any, _Pick]] = {}

    def decode(raw: bytes) -> Event:
        # One byte 0 is the short form of the file's first message, and nearly all there is.
        end = HEAD_BYTES + 1 if raw[HEAD_BYTES : HEAD_BYTES + 1] == b"\0" else _end_of_indexes(raw, name)
        head = raw[HEAD_BYTES:end]
        found = by_indexes.get(head)
        if found is None:
            found = by_indexes[head] = _message(file, _indexes(head), topic, name)
        kind, pick = found
        try:
            values = pick(kind.FromString(raw[end:]))
        except _MALFORMED as error:
            raise bad_payload(name, error) from None
        return fill(topic, values)

    return decode


def _message(file: ProtoFile, indexes: list[int], topic: str, name: str) -> tuple[Any, _Pick]:
    kind = file.message(indexes)
    if kind is None:
        raise EventError("bad_payload", "", f"{name} has no message {indexes}")
    return kind, _picker(kind.DESCRIPTOR, topic)


def _picker(message: Descriptor, topic: str) -> _Pick:
    known = [field for field in message.fields if field.name in allowed_fields(topic)]
    converting = [(field.name, field.has_presence, found) for field in known if (found := _converter(field))]
    plain = [field.name for field in known if not _converter(field)]
    get = _getter(plain)
    with_presence = {field.name for field in known if field.has_presence}

    def pick(message: Any) -> dict[str, Any]:
        # Most fields are set, and to something: only of the others it has to be asked whether they are there. That
        # takes a third of the time of ListFields.
        values = {
            name: value
            for name, value in zip(plain, get(message), strict=True)
            if value or (name in with_presence and message.HasField(name))
        }
        for name, presence, convert in converting:
            if message.HasField(name) if presence else getattr(message, name):
                values[name] = convert(getattr(message, name))
        return values

    return pick


def _getter(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Several attributes at once."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda message: tuple(getattr(message, name) for name in names)


def _converter(field: FieldDescriptor) -> _Convert | None:
    """What makes a plain value of a field's; None: it is one."""
    if field.is_repeated:
        return lambda _: []
    if field.enum_type is not None:
        names = {value.number: value.name for value in field.enum_type.values}
        return lambda number: names.get(number, number)
    if field.message_type is None:
        return None
    if field.message_type.full_name == "google.protobuf.Timestamp":
        return _time
    if field.message_type.full_name in _WRAPPERS:
        return lambda message: message.value
    return lambda _: {}


def _time(value: Any) -> Any:
    nanos = value.nanos
    return time_of(value.seconds * 1_000_000 + nanos // 1_000) if 0 <= nanos < 1_000_000_000 else nanos


def _end_of_indexes(raw: bytes, name: str) -> int:
    """Where the message indexes end and the message begins: a count and as many indexes, all zigzag varints."""
    count, at = _varint(raw, HEAD_BYTES, name)
    if not 0 <= count <= _MAX_INDEXES:
        raise EventError("bad_payload", "", f"{count} message indexes; at most {_MAX_INDEXES} are allowed")
    for _ in range(count):
        _, at = _varint(raw, at, name)
    return at


def _indexes(head: bytes) -> list[int]:
    count, at = _varint(head, 0, "")
    found = []
    for _ in range(count):
        index, at = _varint(head, at, "")
        found.append(index)
    return found or [0]


def _varint(raw: bytes, at: int, name: str) -> tuple[int, int]:
    """A zigzag varint and where it ends."""
    value = 0
    for i in range(5):
        if at + i >= len(raw):
            break
        byte = raw[at + i]
        value |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at + i + 1
    raise EventError("bad_payload", "", f"the message indexes before the message of {name} are cut off, or no numbers")
