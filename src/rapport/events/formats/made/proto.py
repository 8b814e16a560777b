"""Protocol Buffers: a file with one message for each topic.

A field's number is its place in the struct: those of every event count from 1, a topic's own from 8. New fields go to
the end of their struct, and none is taken away without its number staying unused.
"""

from __future__ import annotations

from rapport.events.formats.made.fields import NAMESPACE, Field, about, fields_of, record_name
from rapport.events.schema import Event

__all__ = ["proto_text"]

_FIRST_OWN = 8
"""Numbers below 16 take one byte; 5 to 7 are left for fields that every event may get."""
_TYPES = {
    "text": "string",
    "choice": "string",
    "int": "int32",
    "float": "double",
    "bool": "bool",
    "money": "string",
    "time": "google.protobuf.Timestamp",
}


def proto_text(topic: str) -> str:
    """The .proto file of a topic's events."""
    common = Event.__struct_fields__
    own = [field for field in fields_of(topic) if field.name not in common]
    numbers = {name: number for number, name in enumerate(common, 1)}
    numbers |= {field.name: number for number, field in enumerate(own, _FIRST_OWN)}
    lines = "".join(_line(field, numbers[field.name]) for field in fields_of(topic))
    return (
        f'syntax = "proto3";\n\npackage {NAMESPACE};\n\nimport "google/protobuf/timestamp.proto";\n\n'
        f"// {about(topic)}\nmessage {record_name(topic)} {{\n{lines}}}\n"
    )


def _line(field: Field, number: int) -> str:
    # With `optional`, 0 and "" are told from what was left out; a message is told without it.
    presence = "" if field.type == "time" else "optional "
    required = "Required: " if field.required else ""
    return f"  // {required}{field.words}\n  {presence}{_TYPES[field.type]} {field.name} = {number};\n"
