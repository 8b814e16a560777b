"""A schema as a registry has it."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

__all__ = ["Kind", "RegisteredSchema"]

Kind: TypeAlias = Literal["AVRO", "JSON", "PROTOBUF"]


class RegisteredSchema(msgspec.Struct, frozen=True, kw_only=True):
    """A schema, with all that it refers to.

    Attributes:
        kind: its language.
        text: the schema; for PROTOBUF the .proto file, or in base64 its FileDescriptorProto.
        references: name to text of the schemas that it needs, each before those that need it.
    """

    kind: Kind = "AVRO"
    text: str
    references: dict[str, str] = {}
