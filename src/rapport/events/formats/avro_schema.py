"""A writer's Avro schema: refused when reading by it could take much more than the bytes that are read."""

from __future__ import annotations

from typing import Any, TypeAlias

import fastavro
import msgspec
from fastavro.schema import SchemaParseException

from rapport.errors import RegistryRefused
from rapport.registry import RegisteredSchema

__all__ = ["Branches", "load_avro"]

Branches: TypeAlias = list[dict[str, Any]]
"""The types that a field may have, each an object with its `type`; one, unless it is a union."""

_MAX_TYPES = 1_000
_MAX_DEPTH = 8
"""In an array, each level can make an object of the same byte."""
_MAX_SCALE = 64
_NOT_A_SCHEMA = (SchemaParseException, AttributeError, KeyError, RecursionError, TypeError, ValueError)


def load_avro(schema: RegisteredSchema) -> tuple[Any, dict[str, Branches]]:
    """A writer's schema as fastavro reads by it, and its fields with their types.

    The former has no logical types: their values are ours to convert, exactly, and only of the fields that we know.

    Raises:
        RegistryRefused: no schema, no record, or too large when written out.
    """
    texts = [*schema.references.values(), schema.text]
    try:
        trees = [msgspec.json.decode(text) for text in texts]
        named: dict[str, Any] = {}
        whole = [fastavro.parse_schema(tree, named_schemas=named) for tree in trees][-1]
        plain_named: dict[str, Any] = {}
        plain = [fastavro.parse_schema(_without_logical(tree), named_schemas=plain_named) for tree in trees][-1]
        if not isinstance(whole, dict) or whole.get("type") != "record":
            raise RegistryRefused("an event's schema is a record")
        _Measure(named).walk(whole)
        return plain, {field["name"]: _branches(field["type"], named) for field in whole["fields"]}
    except _NOT_A_SCHEMA as error:
        raise RegistryRefused(f"not an Avro schema: {type(error).__name__} {error}"[:200]) from None


class _Measure:
    """Walks through a schema with each name replaced by its definition, as a reader does.

    Names that refer to each other could stand for more types than there are, and without an end. In an array or a map,
    whatever takes no bytes could be there any number of times.
    """

    def __init__(self, named: dict[str, Any]) -> None:
        self._named = named
        self._left = _MAX_TYPES

    def walk(self, node: Any, depth: int = 0, *, repeated: bool = False) -> bool:
        """Refuse what is too large; gives whether a value can take no bytes at all."""
        self._left -= 1
        if self._left < 0 or depth > _MAX_DEPTH:
            raise RegistryRefused(
                f"refers to itself, or is too large: written out, {_MAX_TYPES:,} types are allowed, {_MAX_DEPTH} deep"
            )
        if isinstance(node, list):
            for one in node:
                self.walk(one, depth + 1, repeated=repeated)
            return False
        if isinstance(node, str):
            return self.walk(self._named[node], depth, repeated=repeated) if node in self._named else node == "null"
        return self._complex(node, depth, repeated)

    def _complex(self, node: dict[str, Any], depth: int, repeated: bool) -> bool:
        match node["type"]:
            case "record" | "error":
                inside = [self.walk(field["type"], depth + 1, repeated=repeated) for field in node["fields"]]
                return self._empty(repeated, any(inside), all(inside))
            case "array" | "map" as kind:
                content = self.walk(node["items" if kind == "array" else "values"], depth + 1, repeated=True)
                return self._empty(kind == "array", content, False)
            case "fixed":
                return not node["size"]
            case "enum":
                return False
            case inner:
                return self.walk(inner, depth + 1, repeated=repeated)

    @staticmethod
    def _empty(repeated: bool, partly: bool, wholly: bool) -> bool:
        if repeated and partly:
            raise RegistryRefused("has an array or a map of values that, or parts of which, take no bytes")
        return wholly


def _branches(node: Any, named: dict[str, Any]) -> Branches:
    if isinstance(node, list):
        return [branch for one in node for branch in _branches(one, named)]
    if isinstance(node, str):
        node = named.get(node, {"type": node})
    scale = node.get("scale", 0)
    if not isinstance(scale, int) or not 0 <= scale <= _MAX_SCALE:
        raise RegistryRefused(f"has a decimal of scale {scale!r:.20}; 0 to {_MAX_SCALE} are allowed")
    return [node]


def _without_logical(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_logical(one) for one in node]
    if isinstance(node, dict):
        # Only that of a type: a field or a symbol may have the name.
        return {
            key: _without_logical(value) for key, value in node.items() if key != "logicalType" or "type" not in node
        }
    return node
