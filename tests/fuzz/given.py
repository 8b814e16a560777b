"""What is made hostile: good events of all topics in all formats, and events of schemas that nobody should register."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from fastavro import parse_schema
from fastavro.utils import generate_one

from rapport.events.formats import Formats
from rapport.events.formats.made import LANGUAGES
from rapport.events.schema import TOPICS
from rapport.registry import RegisteredSchema
from tests.events.registered import avro, formats_of, head, schema_of, typed, written
from tests.events.samples import GOOD, raw

__all__ = ["Given", "given"]

Given = dict[tuple[str, str], list[bytes]]
"""(format, topic) to events."""

_ODD_SCHEMAS = 12
_ODD_EVENTS = 40
_ODD_TYPES: list[Any] = [
    "null", "boolean", "int", "long", "float", "double", "bytes", "string",
    {"type": "array", "items": "long"},
    {"type": "map", "values": {"type": "array", "items": "string"}},
    ["null", "string", "long", {"type": "array", "items": "double"}],
    {"type": "bytes", "logicalType": "decimal", "precision": 40, "scale": 3},
    {"type": "long", "logicalType": "timestamp-micros"},
    {"type": "long", "logicalType": "timestamp-nanos"},
    {"type": "int", "logicalType": "date"},
    {"type": "string", "logicalType": "uuid"},
]  # fmt: skip
_ODD_PROTO = """syntax = "proto2";
import "google/protobuf/timestamp.proto"; import "google/protobuf/wrappers.proto";
import "google/protobuf/struct.proto";
enum Side { LEFT = 0; RIGHT = -7; }
message Event {
  optional bytes event_id = 1; repeated string customer_id = 2; optional google.protobuf.Timestamp event_time = 3;
  optional google.protobuf.Int64Value schema_version = 4; optional Side action = 8; optional Event product_id = 9;
  map<string, Event> page = 10; optional fixed64 quantity = 11; optional double price = 12;
  repeated sint32 currency = 13 [packed = true]; optional google.protobuf.Struct session_id = 14;
  optional group Csat = 15 { optional int32 x = 1; } oneof either { string text = 16; uint64 nps = 17; }
}
"""


def given(folder: Path, seed: int) -> tuple[Formats, Given]:
    """Events by format and topic, and what decodes them."""
    rng = random.Random(seed)
    # fastavro's generator draws from the module's own.
    random.seed(seed)
    odd = [_odd_schema(rng) for _ in range(_ODD_SCHEMAS)]
    made = [schema_of(topic, name) for topic in TOPICS for name in LANGUAGES]
    proto = RegisteredSchema(kind="PROTOBUF", text=_ODD_PROTO)
    events: Given = {("plain", topic): [raw(topic)] for topic in TOPICS}
    for number, schema in enumerate(made):
        topic, name = TOPICS[number // len(LANGUAGES)], list(LANGUAGES)[number % len(LANGUAGES)]
        events[name, topic] = [written(schema, typed(topic, GOOD[topic]), number + 1)]
    for topic in TOPICS:
        events["odd avro", topic] = [
            head(len(made) + 1 + i) + avro(text, generate_one(parse_schema(json.loads(text))))
            for i, text in enumerate(_plain(schema.text) for schema in odd)
            for _ in range(_ODD_EVENTS // _ODD_SCHEMAS)
        ]
        events["odd proto", topic] = [
            head(len(made) + len(odd) + 1) + event[5:] for other in TOPICS for event in events["proto", other]
        ]
    return formats_of(folder, *made, *odd, proto), events


def _odd_schema(rng: random.Random) -> RegisteredSchema:
    names = ["event_id", "customer_id", "event_time", "action", "amount", "quantity", "csat", "more", "text"]
    fields = [{"name": name, "type": rng.choice(_ODD_TYPES)} for name in names]
    return RegisteredSchema(text=json.dumps({"type": "record", "name": "Odd", "fields": fields}))


def _plain(text: str) -> str:
    """The schema without logical types, so that any value of the type below can be written."""
    return text.replace("logicalType", "note")
