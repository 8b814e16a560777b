"""Events in the Schema Registry's wire format, written with the libraries of each format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import msgspec

from rapport.events.formats import Formats
from rapport.events.formats.made import LANGUAGES
from rapport.events.formats.made.fields import fields_of
from rapport.events.formats.proto_files import load_proto
from rapport.registry import KeptSchemas, RegisteredSchema, Registry

NOBODY = "http://127.0.0.1:9"
"""A registry that is down."""


def head(schema_id: int) -> bytes:
    return b"\0" + schema_id.to_bytes(4, "big")


def schema_of(topic: str, language: str) -> RegisteredSchema:
    """The schema that is made of the topic's struct."""
    made = LANGUAGES[language]
    return RegisteredSchema(kind=made.kind, text=made.text(topic))


def formats_of(folder: Path, *schemas: RegisteredSchema, url: str = NOBODY) -> Formats:
    """What decodes, with the schemas known by the ids 1, 2, …, and no registry to ask."""
    kept = KeptSchemas(Registry(url), folder)
    for schema_id, schema in enumerate(schemas, 1):
        kept.keep(schema_id, schema)
    return Formats(kept)


def typed(topic: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON event's values with times and amounts as such."""
    made = {"time": datetime.fromisoformat, "money": lambda value: Decimal(str(value))}
    types = {field.name: field.type for field in fields_of(topic)}
    return {
        name: value if value is None or types.get(name) not in made else made[types[name]](value)  # type: ignore[operator]
        for name, value in event.items()
    }


def written(schema: RegisteredSchema, values: Mapping[str, Any], schema_id: int = 1) -> bytes:
    """The event's bytes; `values` have times and amounts as such."""
    if schema.kind == "AVRO":
        return head(schema_id) + avro(schema.text, values)
    if schema.kind == "JSON":
        return head(schema_id) + msgspec.json.encode(dict(values))
    return head(schema_id) + b"\0" + proto(schema.text, values)


def avro(text: str, values: Mapping[str, Any]) -> bytes:
    out = BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(json.loads(text)), dict(values))
    return out.getvalue()


def proto(text: str, values: Mapping[str, Any]) -> bytes:
    message = message_class(text)()
    for name, value in values.items():
        if isinstance(value, datetime):
            getattr(message, name).FromDatetime(value)
        elif value is not None:
            setattr(message, name, str(value) if isinstance(value, Decimal) else value)
    data: bytes = message.SerializeToString()
    return data


@cache
def message_class(text: str) -> Any:
    return load_proto(RegisteredSchema(kind="PROTOBUF", text=text)).message([0])
