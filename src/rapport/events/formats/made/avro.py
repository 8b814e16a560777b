"""Avro: a record for each topic; money is a decimal of 6 places, a time is timestamp-micros."""

from __future__ import annotations

from typing import Any

import msgspec

from rapport.events.formats.made.fields import NAMESPACE, Field, about, fields_of, record_name

__all__ = ["avro_text"]

_PLAIN: dict[str, Any] = {
    "text": "string",
    "int": "int",
    "float": "double",
    "bool": "boolean",
    "money": {"type": "bytes", "logicalType": "decimal", "precision": 19, "scale": 6},
    "time": {"type": "long", "logicalType": "timestamp-micros"},
}


def avro_text(topic: str) -> str:
    """The Avro schema of a topic's events, as JSON."""
    record = record_name(topic)
    schema = {
        "type": "record",
        "name": record,
        "namespace": NAMESPACE,
        "doc": about(topic),
        "fields": [_field(record, field) for field in fields_of(topic)],
    }
    return msgspec.json.format(msgspec.json.encode(schema), indent=2).decode() + "\n"


def _field(record: str, field: Field) -> dict[str, Any]:
    kind = _PLAIN.get(field.type)
    if field.type == "choice":
        kind = {"type": "enum", "name": f"{record}{field.name.title()}", "symbols": list(field.choices)}
    made = {"name": field.name, "doc": field.words, "type": ["null", kind] if field.nullable else kind}
    return made if field.required else {**made, "default": field.default}
