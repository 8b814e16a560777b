"""JSON Schema: a closed object for each topic, in the draft that registries and validators have in common."""

from __future__ import annotations

from typing import Any

import msgspec

from rapport.events.fields import allowed_fields
from rapport.events.formats.made.fields import NAMESPACE, fields_of, record_name
from rapport.events.schema import EVENT_TYPES

__all__ = ["json_text"]


def json_text(topic: str) -> str:
    """The JSON Schema of a topic's events."""
    name = record_name(topic)
    made: dict[str, Any] = msgspec.json.schema(EVENT_TYPES[topic])["$defs"][name]
    words = allowed_fields(topic)
    # msgspec says of money that it is text; our decoder takes numbers as exactly.
    for field in fields_of(topic):
        if field.type == "money":
            made["properties"][field.name] = _money(field.nullable)
        made["properties"][field.name]["description"] = words[field.name].words
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "$id": f"urn:{NAMESPACE}:{name}", **made}
    return msgspec.json.format(msgspec.json.encode(schema), indent=2).decode() + "\n"


def _money(nullable: bool) -> dict[str, Any]:
    kinds = ["string", "number", *(["null"] if nullable else [])]
    return {"type": kinds, **({"default": None} if nullable else {})}
