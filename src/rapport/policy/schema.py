"""JSON Schemas of the three files, made from the structs that read them: for editors, and for docs/schemas."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import msgspec

from rapport.decisions.situation import FACTS
from rapport.policy.declared import PolicyFile
from rapport.policy.intents import IntentsFile
from rapport.policy.templates import TemplatesFile

__all__ = ["SCHEMAS", "schema_json"]

SCHEMAS = MappingProxyType({"policy": PolicyFile, "templates": TemplatesFile, "intents": IntentsFile})
"""File to what it holds."""
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}


def schema_json(name: str) -> str:
    """The JSON Schema (2020-12) of a file, as text."""
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{name}.yaml",
        **msgspec.json.schema(SCHEMAS[name]),
    }
    if name == "policy":
        rule = schema["$defs"]["Rule"]["properties"]["when"]
        condition = rule.pop("additionalProperties")
        rule["properties"] = {fact: _of_fact(kind, condition) for fact, kind in FACTS.items()}
        arm = {"type": "string"}
        rule["patternProperties"] = {r"^arm\.": {"anyOf": [arm, {"type": "array", "items": arm, "minItems": 1}]}}
        rule |= {"additionalProperties": False, "minProperties": 1}
    return msgspec.json.format(msgspec.json.encode(schema), indent=2).decode() + "\n"


def _of_fact(kind: type, condition: dict[str, Any]) -> dict[str, Any]:
    """The conditions that a fact of this type may have."""
    limits = next(option for option in condition["anyOf"] if "$ref" in option)
    value = {"type": _TYPES[kind]}
    return {"anyOf": [value, {"type": "array", "items": value, "minItems": 1}, limits]}
