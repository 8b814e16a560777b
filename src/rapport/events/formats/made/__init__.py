"""The events' schemas in the languages of the Schema Registry, made from the structs of rapport.events.schema."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import NamedTuple

from rapport.events.formats.made.avro import avro_text
from rapport.events.formats.made.json_schema import json_text
from rapport.events.formats.made.proto import proto_text
from rapport.registry import Kind

__all__ = ["LANGUAGES", "Language"]


class Language(NamedTuple):
    """A language of schemas.

    Attributes:
        kind: its name in the registry.
        suffix: of a file in it.
        text: topic to the schema of its events.
    """

    kind: Kind
    suffix: str
    text: Callable[[str], str]


LANGUAGES = MappingProxyType(
    {
        "avro": Language("AVRO", ".avsc", avro_text),
        "json": Language("JSON", ".schema.json", json_text),
        "proto": Language("PROTOBUF", ".proto", proto_text),
    }
)
"""By the name that the command line has for them."""
