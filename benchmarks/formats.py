"""Formats: events in JSON, Avro and Protocol Buffers to checked structs, against each library's bare decoding.

The same events in each format. A floor only decodes: to a dictionary, a struct or a message, with no rule checked. A
floor and what stands beside it take turns, and their processor time counts.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Callable, Sequence
from io import BytesIO
from operator import attrgetter
from pathlib import Path
from typing import Any

import fastavro
import msgspec

from benchmarks.frame import Measurement
from benchmarks.ingest import BATCH, CLICKS, clicks
from benchmarks.peers import processor_s
from rapport.errors import EventError
from rapport.events.decode import decode_many
from rapport.events.formats import HEAD_BYTES, Formats
from rapport.events.formats.made import LANGUAGES
from rapport.events.formats.proto_files import load_proto
from rapport.events.schema import EVENT_TYPES, CustomerClick
from rapport.registry import KeptSchemas, RegisteredSchema, Registry

__all__ = ["measure"]

AVRO, JSON, PROTO = 1, 2, 3
IDS = {"avro": AVRO, "json": JSON, "proto": PROTO}


def measure(quick: bool) -> list[Measurement]:
    """Events per second of each format, and of its floor."""
    count, repeat = (5_000, 5) if quick else (50_000, 9)
    plain = clicks(count)
    decoder = msgspec.json.Decoder(EVENT_TYPES[CLICKS])
    events = [decoder.decode(one) for one in plain]
    schema = fastavro.parse_schema(json.loads(LANGUAGES["avro"].text(CLICKS)))
    message = load_proto(RegisteredSchema(kind="PROTOBUF", text=LANGUAGES["proto"].text(CLICKS))).message([0])
    assert message is not None
    avro, proto = [_avro(schema, event) for event in events], [_proto(message, event) for event in events]
    framed = [_head(JSON) + one for one in plain]
    read, fields = fastavro.schemaless_reader, attrgetter(*CustomerClick.__struct_fields__)
    with tempfile.TemporaryDirectory(prefix="rapport-") as folder:
        formats = _formats(Path(folder))

        def ours(name: str, values: Sequence[bytes], floor: str, bare: Callable[[bytes], Any]) -> Measurement:
            floors, rates = [], []
            for _ in range(repeat):
                floors.append(count / processor_s(lambda: [bare(one) for one in values]))
                rates.append(count / processor_s(lambda: _checked(values, formats)))
            return Measurement(
                name=name,
                unit="events/s",
                value=statistics.median(rates),
                samples=repeat,
                peer=floor,
                peer_value=statistics.median(floors),
                note="per core",
            )

        return [
            ours("JSON", plain, "bare msgspec decoding", decoder.decode),
            ours(
                "JSON Schema, by its id", framed, "bare msgspec decoding", lambda one: decoder.decode(one[HEAD_BYTES:])
            ),
            ours(
                "Avro, by its schema's id",
                avro,
                "bare fastavro decoding",
                lambda one: read(_payload(one), schema, None),
            ),
            ours(
                "Protocol Buffers, by the schema's id",
                proto,
                "bare protobuf decoding, each field read",
                lambda one: fields(message.FromString(one[HEAD_BYTES + 1 :])),
            ),
        ]


def _checked(values: Sequence[bytes], formats: Formats) -> None:
    for at in range(0, len(values), BATCH):
        results = decode_many(CLICKS, values[at : at + BATCH], formats)
        if any(isinstance(one, EventError) for one in results):
            raise RuntimeError("an event was refused")


def _formats(folder: Path) -> Formats:
    kept = KeptSchemas(Registry("http://127.0.0.1:9"), folder)
    for name, schema_id in IDS.items():
        kept.keep(schema_id, RegisteredSchema(kind=LANGUAGES[name].kind, text=LANGUAGES[name].text(CLICKS)))
    return Formats(kept)


def _head(schema_id: int) -> bytes:
    return b"\0" + schema_id.to_bytes(4, "big")


def _payload(value: bytes) -> BytesIO:
    return BytesIO(value[HEAD_BYTES:])


def _avro(schema: Any, event: CustomerClick) -> bytes:
    out = BytesIO()
    fastavro.schemaless_writer(out, schema, msgspec.structs.asdict(event))
    return _head(AVRO) + out.getvalue()


def _proto(message: Any, event: CustomerClick) -> bytes:
    made = message()
    for name, value in msgspec.structs.asdict(event).items():
        if name == "event_time":
            made.event_time.FromDatetime(value)
        elif value is not None:
            setattr(made, name, str(value) if name == "price" else value)
    data: bytes = made.SerializeToString()
    return _head(PROTO) + b"\0" + data
