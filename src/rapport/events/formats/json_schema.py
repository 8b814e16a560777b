"""Payloads of JSON Schema: JSON, decoded as strictly as without a registry, but for fields that only the schema has."""

from __future__ import annotations

from typing import Any

import msgspec

from rapport.errors import RegistryRefused
from rapport.events.fields import allowed_fields
from rapport.events.formats import HEAD_BYTES, Read
from rapport.events.refusal import explain
from rapport.events.schema import EVENT_TYPES, Event
from rapport.registry import RegisteredSchema

__all__ = ["json_reader"]

_MAX_STEPS = 1_000
_JOINED = ("allOf", "anyOf", "oneOf")
_NOT_JSON = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_by_name = msgspec.json.Decoder(dict[str, msgspec.Raw])


def json_reader(topic: str, schema: RegisteredSchema) -> Read:
    """What decodes values of one schema into the topic's struct.

    Raises:
        RegistryRefused: the schema cannot be used.
    """
    known = allowed_fields(topic)
    ignored = {name for name in _declared(schema.text) if name not in known}
    read = msgspec.json.Decoder(EVENT_TYPES[topic]).decode

    def decode(raw: bytes) -> Event:
        payload = raw[HEAD_BYTES:]
        try:
            return read(_without(payload, ignored) if ignored else payload)
        except _NOT_JSON as error:
            raise explain(topic, payload, error) from None

    return decode


def _without(payload: bytes, names: set[str]) -> bytes:
    """The object without some fields; the bytes of the others stay as they are."""
    fields = _by_name.decode(payload)
    return msgspec.json.encode({name: value for name, value in fields.items() if name not in names})


def _declared(text: str) -> set[str]:
    """The properties that a schema names for the object as a whole."""
    try:
        whole = msgspec.json.decode(text)
    except _NOT_JSON as error:
        raise RegistryRefused(f"not JSON: {error}"[:200]) from None
    found: set[str] = set()
    waiting, steps = [whole], 0
    while waiting:
        node, steps = waiting.pop(), steps + 1
        if steps > _MAX_STEPS:
            raise RegistryRefused(f"refers to itself, or has more than {_MAX_STEPS:,} parts that say what the event is")
        if not isinstance(node, dict):
            continue
        properties = node.get("properties")
        found.update(properties if isinstance(properties, dict) else ())
        for name in _JOINED:
            parts = node.get(name)
            waiting += parts if isinstance(parts, list) else ()
        if isinstance(node.get("$ref"), str):
            waiting.append(_at(whole, node["$ref"]))
    return found


def _at(whole: Any, reference: str) -> Any:
    """The part of a schema that a local reference (`#/$defs/Name`) means; None: there is none, or it is not local."""
    if not reference.startswith("#/"):
        return None
    node = whole
    for step in reference[2:].split("/"):
        node = node.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(node, dict) else None
    return node
