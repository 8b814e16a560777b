"""Events of registered schemas through the ingest flow, while the Schema Registry is down."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from io import BytesIO

import fastavro
import msgspec
from given import checked, feedback, letters, message, values

from flows.runtime import Runtime
from rapport.bus import Message
from rapport.events.formats.made import LANGUAGES
from rapport.registry import KeptSchemas, RegisteredSchema, Registry
from tests.flows.running import MakeRuntime, run_ingest

NOBODY = "http://127.0.0.1:9"
AVRO, JSON_SCHEMA, UNKNOWN = 7, 8, 9


def keep(runtime: Runtime, schema_id: int, language: str) -> None:
    """As if the flow had fetched the schema while the registry was up."""
    made = LANGUAGES[language]
    schema = RegisteredSchema(kind=made.kind, text=made.text("feedback"))
    KeptSchemas(Registry(NOBODY), runtime.settings.data_dir / "schemas").keep(schema_id, schema)


def registered(schema_id: int, payload: bytes) -> Message:
    return Message("feedback", "c1", b"\0" + schema_id.to_bytes(4, "big") + payload, "run")


def avro(event_id: str) -> bytes:
    out = BytesIO()
    event = {"event_id": event_id, "customer_id": "c1", "event_time": datetime(2025, 3, 1, 12, tzinfo=UTC), "csat": 3}
    fastavro.schemaless_writer(out, fastavro.parse_schema(json.loads(LANGUAGES["avro"].text("feedback"))), event)
    return out.getvalue()


def test_all_formats_become_the_same_rows(make_runtime_: MakeRuntime) -> None:
    runtime = make_runtime_(registry_url=NOBODY)
    keep(runtime, AVRO, "avro")
    keep(runtime, JSON_SCHEMA, "json")
    cut = registered(AVRO, avro("e4")[:-2])
    runtime.bus.publish(
        [message("e1"), registered(AVRO, avro("e2")), registered(JSON_SCHEMA, feedback("e3")), cut, message("e2")]
    )
    run_ingest(runtime)
    rows = checked(runtime.bus)
    assert [row.pop("event_id") for row in rows] == ["e1", "e2", "e3"]
    assert [{**row, "arrival_time_us": 0} for row in rows] == 3 * [{**rows[0], "arrival_time_us": 0}]
    (first, second) = letters(runtime.bus)
    assert {first.reason, second.reason} == {"bad_payload", "duplicate"}
    assert cut.value in (first.raw, second.raw)


def test_an_unknown_schema_waits_for_the_registry(make_runtime_: MakeRuntime) -> None:
    runtime = make_runtime_(registry_url=NOBODY)
    runtime.bus.publish([message("e1"), registered(UNKNOWN, avro("e2"))])
    threading.Timer(0.5, runtime.stop.set).start()
    run_ingest(runtime)
    assert not values(runtime.bus, "feedback.checked") and not letters(runtime.bus)
    again = make_runtime_(registry_url=NOBODY)
    keep(again, UNKNOWN, "avro")
    run_ingest(again)
    assert [row["event_id"] for row in checked(again.bus)] == ["e1", "e2"] and not letters(again.bus)


def test_without_a_registry_they_are_dead_letters(runtime: Runtime) -> None:
    runtime.bus.publish([registered(AVRO, avro("e1")), Message("feedback", "c1", msgspec.json.encode({}))])
    run_ingest(runtime)
    assert sorted(letter.reason for letter in letters(runtime.bus)) == ["missing_field", "unknown_schema"]
