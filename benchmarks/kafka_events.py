"""The same clicks in each format, and a topic of Kafka that holds them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from operator import attrgetter
from typing import Any

import fastavro
import msgspec
from confluent_kafka import Producer

from rapport.clock import from_us
from rapport.events.formats import HEAD_BYTES
from rapport.events.formats.made import LANGUAGES
from rapport.events.formats.proto_files import load_proto
from rapport.events.schema import EVENT_TYPES, CustomerClick
from rapport.registry import KeptSchemas, RegisteredSchema

__all__ = ["CLICKS", "CUSTOMERS", "FORMATS", "bare_decoder", "clicks", "encoded", "fill", "keep_schemas"]

CLICKS = "customer_clicks"
CUSTOMERS = 10_000
FORMATS = {"JSON": 0, "Avro": 1, "Protocol Buffers": 2}
"""A format's schema id; 0: none is sent along."""
_LANGUAGES = {"Avro": "avro", "Protocol Buffers": "proto"}


def clicks(name: str, count: int, now_us: int) -> list[bytes]:
    """Cart adds with money, in JSON, by many customers, of the last minute; their ids begin with `name`."""
    times = [from_us(now_us - 60_000_000 + at * 1_000).isoformat().encode() for at in range(60_000)]
    return [
        b'{"event_id":"%s %d","customer_id":"c%d","event_time":"%s","action":"cart_add","product_id":"p%d","page":"/p",'
        b'"quantity":%d,"price":"%d.%02d","currency":"EUR","session_id":"s%d"}'
        % (name.encode(), i, i * 7_919 % CUSTOMERS, times[i % 60_000], i % 77, i % 5 + 1, i % 200, i % 100, i % 300)
        for i in range(count)
    ]


def encoded(kind: str, plain: Sequence[bytes]) -> Iterator[bytes]:
    """JSON clicks in a format, as the Schema Registry's serializers write them."""
    if kind == "JSON":
        yield from plain
        return
    decode = msgspec.json.Decoder(CustomerClick).decode
    write = _avro() if kind == "Avro" else _protobuf()
    head = b"\0" + FORMATS[kind].to_bytes(4, "big")
    for one in plain:
        yield head + write(msgspec.structs.asdict(decode(one)))


def bare_decoder(kind: str) -> Callable[[bytes], Any]:
    """The least that decoding can cost with the library that reads the format: to a struct, a dictionary, or a message
    of which each field is read."""
    if kind == "JSON":
        return msgspec.json.Decoder(EVENT_TYPES[CLICKS]).decode
    if kind == "Avro":
        schema, read = fastavro.parse_schema(json.loads(_text(kind))), fastavro.schemaless_reader
        return lambda value: read(BytesIO(value[HEAD_BYTES:]), schema, None)
    parse, fields = _message().FromString, attrgetter(*CustomerClick.__struct_fields__)
    return lambda value: fields(parse(value[HEAD_BYTES + 1 :]))


def keep_schemas(kept: KeptSchemas) -> None:
    """Let an installation know the formats' schemas, as if it had asked a registry for them."""
    for kind, language in _LANGUAGES.items():
        kept.keep(FORMATS[kind], RegisteredSchema(kind=LANGUAGES[language].kind, text=_text(kind)))


def fill(servers: str, topic: str, values: Iterator[bytes]) -> None:
    """Send values to partition 0 of a topic, keyed by customers, and wait until all are there."""
    producer = Producer(
        {
            "bootstrap.servers": servers,
            "queue.buffering.max.messages": 2_000_000,
            "linger.ms": 20,
            "compression.type": "lz4",
        }
    )
    for number, value in enumerate(values):
        producer.produce(topic, value, b"c%d" % (number * 7_919 % CUSTOMERS), 0)
    if producer.flush(60):
        raise RuntimeError("Kafka did not take the events")


def _text(kind: str) -> str:
    return LANGUAGES[_LANGUAGES[kind]].text(CLICKS)


def _avro() -> Callable[[dict[str, Any]], bytes]:
    schema = fastavro.parse_schema(json.loads(_text("Avro")))

    def write(fields: dict[str, Any]) -> bytes:
        out = BytesIO()
        fastavro.schemaless_writer(out, schema, fields)
        return out.getvalue()

    return write


def _message() -> Any:
    return load_proto(RegisteredSchema(kind="PROTOBUF", text=_text("Protocol Buffers"))).message([0])


def _protobuf() -> Callable[[dict[str, Any]], bytes]:
    make = _message()

    def write(fields: dict[str, Any]) -> bytes:
        made = make()
        for name, value in fields.items():
            if name == "event_time":
                made.event_time.FromDatetime(value)
            elif value is not None:
                setattr(made, name, str(value) if name == "price" else value)
        # One byte 0: the file's first message.
        return b"\0" + bytes(made.SerializeToString())

    return write
