"""Events in the Schema Registry's wire format: Avro, JSON Schema and Protocol Buffers, decoded by their schema's id.

A value is the byte 0, four bytes of schema id (big endian), and the payload. It is read with the schema that it was
written with, by names, and ends in the same struct with the same rules as plain JSON. A field that the writer's schema
declares and the struct does not have is ignored: a newer producer may send it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from rapport.errors import EventError, RegistryRefused
from rapport.events.schema import Event
from rapport.registry import KeptSchemas, RegisteredSchema, open_registry

if TYPE_CHECKING:
    from rapport.settings import Settings

__all__ = ["HEAD_BYTES", "Formats", "Read", "make_reader", "open_formats"]

HEAD_BYTES = 5
"""Length of what precedes the payload."""

Read: TypeAlias = Callable[[bytes], Event]
"""Decodes a whole value, head and payload, that was written with one schema; raises EventError."""

_MAX_READERS = 256
_MAX_UNKNOWN = 10_000


class Formats:
    """Decodes events by their schema's id. Not for several threads at a time.

    Args:
        schemas: the registry's schemas, also while it is down.
        unknown_for_s: how long an id that the registry did not know is not asked for again, seconds.
    """

    def __init__(self, schemas: KeptSchemas, *, unknown_for_s: float = 10.0) -> None:
        self._schemas = schemas
        self._readers: dict[tuple[str, bytes], Read] = {}
        self._unknown_for_s = unknown_for_s
        self._unknown: dict[int, float] = {}

    def decode(self, topic: str, raw: bytes) -> Event:
        """The event; rapport.events.rules has not seen it.

        Raises:
            EventError: unknown_schema, bad_schema, bad_payload, or a reason as for plain JSON.
            RegistryUnavailable: the schema is not known yet, and the registry does not answer.
        """
        key = (topic, raw[1:HEAD_BYTES])
        read = self._readers.get(key)
        if read is None:
            read = self._reader(topic, raw)
            if len(self._readers) >= _MAX_READERS:
                self._readers.clear()
            self._readers[key] = read
        return read(raw)

    def _reader(self, topic: str, raw: bytes) -> Read:
        if len(raw) < HEAD_BYTES:
            raise EventError("bad_payload", "", "cut off: a schema's id is the byte 0 and four bytes more")
        schema_id = int.from_bytes(raw[1:HEAD_BYTES], "big")
        try:
            schema = self._schema(schema_id)
            return make_reader(topic, f"schema {schema_id}", schema)
        except RegistryRefused as error:
            return _refusing(f"schema {schema_id}: {error}"[:300])

    def _schema(self, schema_id: int) -> RegisteredSchema:
        now_s = time.monotonic()
        found = None
        if self._unknown.get(schema_id, now_s) <= now_s:
            found = self._schemas.schema(schema_id)
            if found is None:
                if len(self._unknown) >= _MAX_UNKNOWN:
                    self._unknown.clear()
                self._unknown[schema_id] = now_s + self._unknown_for_s
        if found is None:
            raise EventError("unknown_schema", "", f"the Schema Registry knows no schema with the id {schema_id}")
        return found


def open_formats(settings: Settings) -> Formats | None:
    """What decodes registered formats here; None: no registry is set. Connects to nothing yet.

    Raises:
        SettingsError
    """
    registry = open_registry(settings)
    return Formats(KeptSchemas(registry, settings.data_dir / "schemas")) if registry else None


def make_reader(topic: str, name: str, schema: RegisteredSchema) -> Read:
    """What decodes values of one schema into the topic's struct.

    Args:
        topic: a key of EVENT_TYPES.
        name: the schema's, for messages.
        schema: the writer's.

    Raises:
        RegistryRefused: the schema cannot be used.
    """
    # One format's library is loaded when the first of its schemas comes.
    match schema.kind:
        case "AVRO":
            from rapport.events.formats.avro import avro_reader

            return avro_reader(topic, name, schema)
        case "PROTOBUF":
            from rapport.events.formats.protobuf import protobuf_reader

            return protobuf_reader(topic, name, schema)
        case "JSON":
            from rapport.events.formats.json_schema import json_reader

            return json_reader(topic, schema)


def _refusing(why: str) -> Read:
    """For a schema that cannot be used: each of its events is refused, and it is not fetched again for each."""

    def refuse(_raw: bytes) -> Event:
        raise EventError("bad_schema", "", why)

    return refuse
