"""Avro, JSON Schema and Protocol Buffers end where plain JSON does: in the same events, or the same refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from registered import formats_of, head, schema_of, typed, written
from samples import GOOD, raw

from rapport.errors import EventError
from rapport.events.decode import MAX_EVENT_BYTES, decode, decode_many
from rapport.events.formats import Formats
from rapport.events.formats.made import LANGUAGES
from rapport.events.formats.made.fields import Field, fields_of
from rapport.events.schema import TOPICS
from rapport.registry import RegisteredSchema

FORMATS = tuple(LANGUAGES)


@pytest.fixture(scope="module")
def known() -> Iterator[Formats]:
    """Every topic's schema in every format; ids count through both."""
    with TemporaryDirectory() as folder:
        yield formats_of(Path(folder), *(schema_of(topic, name) for topic in TOPICS for name in FORMATS))


def id_of(topic: str, name: str) -> int:
    return TOPICS.index(topic) * len(FORMATS) + FORMATS.index(name) + 1


def refusal(topic: str, value: bytes, formats: Formats | None) -> EventError:
    with pytest.raises(EventError) as caught:
        decode(topic, value, formats)
    assert caught.value.detail and len(caught.value.detail) < 400
    return caught.value


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("name", FORMATS)
def test_the_same_event(known: Formats, topic: str, name: str) -> None:
    value = written(schema_of(topic, name), typed(topic, GOOD[topic]), id_of(topic, name))
    assert decode(topic, value, known) == decode(topic, raw(topic))


def test_many_at_a_time_in_all_formats(known: Formats) -> None:
    values, expected = [], []
    for topic in TOPICS:
        events = [written(schema_of(topic, name), typed(topic, GOOD[topic]), id_of(topic, name)) for name in FORMATS]
        values = [raw(topic), b"{", *events, head(999_999)[:3], events[0][:-1]]
        expected = decode_many(topic, values, known)
        good = decode(topic, raw(topic))
        assert [one if not isinstance(one, EventError) else one.reason for one in expected] == [
            good, "bad_json", good, good, good, "bad_payload", "bad_payload",
        ]  # fmt: skip


MOST = Decimal("9999999999999.999999")
"""What Avro's schema can hold: a little more than is allowed."""
TEXTS = st.text(max_size=4) | st.sampled_from(["", "x" * 128, "x" * 129, "a\nb", "a\x7f", "EUR", "eur", "ÄÖÜ", "view"])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXTS,
    "int": st.integers(-2, 12) | st.integers(-(2**31), 2**31 - 1),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "bool": st.booleans(),
    "money": st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-100, max_value=MOST),
    "time": st.datetimes(timezones=st.just(UTC)),
}


def values_of(field: Field) -> st.SearchStrategy[Any]:
    kinds = st.sampled_from(field.choices) if field.type == "choice" else VALUES[field.type]
    return kinds | st.none() if field.nullable else kinds


@cache
def events_of(topic: str) -> st.SearchStrategy[dict[str, Any]]:
    fields = fields_of(topic)
    good = typed(topic, GOOD[topic])
    return st.fixed_dictionaries(
        {field.name: st.just(good[field.name]) | values_of(field) for field in fields if field.name in good},
        optional={field.name: values_of(field) for field in fields if field.name not in good},
    )


@given(st.data())
def test_the_same_event_or_the_same_refusal(known: Formats, data: st.DataObject) -> None:
    topic = data.draw(st.sampled_from(TOPICS))
    drawn = data.draw(events_of(topic))
    # Of several that are wrong the first is named: in JSON by the event's order, in the others by the struct's.
    values = {field.name: drawn[field.name] for field in fields_of(topic) if field.name in drawn}
    results: list[Any] = []
    for name in FORMATS:
        value = written(schema_of(topic, name), values, id_of(topic, name))
        try:
            results.append(decode(topic, value, known))
        except EventError as error:
            results.append((error.reason, error.field))
    try:
        expected: Any = decode(topic, msgspec.json.encode(values))
    except EventError as error:
        expected = (error.reason, error.field)
    assert results == [expected] * len(FORMATS)


@pytest.mark.parametrize("topic", TOPICS)
@pytest.mark.parametrize("name", FORMATS)
def test_an_event_that_is_cut_off_is_refused(known: Formats, topic: str, name: str) -> None:
    value = written(schema_of(topic, name), typed(topic, GOOD[topic]), id_of(topic, name))
    for result in decode_many(topic, [value[:end] for end in range(5, len(value))], known):
        # Fields of protobuf may be left out: only there can what is left be an event.
        assert isinstance(result, EventError) or name == "proto"


VARINTS = st.sampled_from([b"\xff" * 9 + b"\x01", b"\xfe\xff\xff\xff\x0f", b"\x80" * 40, b"\x01", b"\xff" * 11])


@given(st.data())
def test_hostile_bytes_never_crash(known: Formats, data: st.DataObject) -> None:
    topic, name = data.draw(st.sampled_from(TOPICS)), data.draw(st.sampled_from(FORMATS))
    good = written(schema_of(topic, name), typed(topic, GOOD[topic]), id_of(topic, name))
    at = data.draw(st.integers(5, len(good)))
    middle = data.draw(
        st.binary(max_size=20) | VARINTS | st.text(max_size=9).map(str.encode) | st.just(b"\xed\xa0\x80")
    )
    nested = data.draw(st.sampled_from([b"", b"", b"[" * 20_000, b"\x0b" * 20_000]))
    (result,) = decode_many(topic, [good[:at] + middle + nested + good[data.draw(st.integers(at, len(good))) :]], known)
    if isinstance(result, EventError):
        assert result.detail and len(result.detail) < 400


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("name", ["avro", "proto"])
def test_numbers_that_are_none(known: Formats, name: str, number: float) -> None:
    values = {**typed("feedback", GOOD["feedback"]), "resolution_time_s": number}
    error = refusal("feedback", written(schema_of("feedback", name), values, id_of("feedback", name)), known)
    assert (error.reason, error.field) == ("bad_value", "resolution_time_s")


CLICK = "customer_clicks"


def changed(name: str, *, add: str = "", remove: str = "") -> RegisteredSchema:
    """The schema of a click by a producer of another version: with an optional field more, or a field less."""
    text = LANGUAGES[name].text(CLICK)
    if name == "proto":
        lines = [line for line in text.splitlines() if not remove or f" {remove} = " not in line]
        text = "\n".join(lines).replace(
            "message CustomerClick {", f"message CustomerClick {{ optional string {add} = 90;"
        )
        text = text if add else "\n".join(lines)
        return RegisteredSchema(kind="PROTOBUF", text=text)
    schema = json.loads(text)
    if name == "avro":
        schema["fields"] = [field for field in schema["fields"] if field["name"] != remove]
        if add:
            schema["fields"].insert(2, {"name": add, "type": ["null", "string"], "default": None})
        return RegisteredSchema(kind="AVRO", text=json.dumps(schema))
    schema["properties"].pop(remove, None)
    schema["required"] = [one for one in schema["required"] if one != remove]
    if add:
        schema["properties"][add] = {"type": "string"}
    return RegisteredSchema(kind="JSON", text=json.dumps(schema))


@pytest.mark.parametrize("name", FORMATS)
class TestOtherVersions:
    """A producer with a newer or an older schema."""

    def values(self, **more: Any) -> dict[str, Any]:
        return {**typed(CLICK, GOOD[CLICK]), **more}

    def test_a_field_that_is_new_to_us_is_ignored(self, tmp_path: Path, name: str) -> None:
        schema = changed(name, add="campaign")
        value = written(schema, self.values(campaign="spring"))
        assert decode(CLICK, value, formats_of(tmp_path, schema)) == decode(CLICK, raw(CLICK))
        assert refusal(CLICK, raw(CLICK, campaign="spring"), None).reason == "unknown_field"

    def test_an_optional_field_that_is_gone_has_its_default(self, tmp_path: Path, name: str) -> None:
        schema = changed(name, remove="quantity")
        values = self.values()
        del values["quantity"]
        event = decode(CLICK, written(schema, values), formats_of(tmp_path, schema))
        assert event == decode(CLICK, raw(CLICK, "quantity"))

    def test_a_required_field_that_is_gone_is_missed(self, tmp_path: Path, name: str) -> None:
        schema = changed(name, remove="action")
        values = self.values()
        del values["action"]
        error = refusal(CLICK, written(schema, values), formats_of(tmp_path, schema))
        assert (error.reason, error.field) == ("missing_field", "action")


def test_json_with_a_field_that_its_own_schema_does_not_have(known: Formats) -> None:
    value = head(id_of(CLICK, "json")) + raw(CLICK, colour="red")
    assert (refusal(CLICK, value, known).reason, refusal(CLICK, value, known).field) == ("unknown_field", "colour")


def test_a_renamed_number_in_protobuf_goes_by_the_writers_names(tmp_path: Path) -> None:
    text = LANGUAGES["proto"].text(CLICK).replace("action = 8", "action = 80").replace("page = 10", "page = 8")
    schema = RegisteredSchema(kind="PROTOBUF", text=text)
    value = written(schema, {**typed(CLICK, GOOD[CLICK]), "page": "/p"})
    assert decode(CLICK, value, formats_of(tmp_path, schema)) == decode(CLICK, raw(CLICK, page="/p"))


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ({"type": "long", "logicalType": "timestamp-millis"}, 1_740_830_400_250, True),
        ({"type": "long", "logicalType": "timestamp-micros"}, 1_740_830_400_250_000, True),
        ({"type": "long", "logicalType": "timestamp-nanos"}, 1_740_830_400_250_000_999, True),
        (["null", {"type": "long", "logicalType": "timestamp-millis"}], 1_740_830_400_250, True),
        ("string", "2025-03-01T12:00:00.25Z", True),
        ("long", 1_740_830_400_250, False),
        ({"type": "long", "logicalType": "local-timestamp-millis"}, 1_740_830_400_250, False),
        ({"type": "long", "logicalType": "timestamp-micros"}, 2**63 - 1, False),
        (["null", "string"], None, False),
        ({"type": "array", "items": "string"}, ["x"], False),
    ],
)
def test_times_of_other_producers_in_avro(tmp_path: Path, kind: Any, value: Any, expected: bool) -> None:
    schema = json.loads(LANGUAGES["avro"].text("feedback"))
    schema["fields"][2]["type"] = kind
    plain = json.loads(json.dumps(schema).replace("logicalType", "note"))
    values = {**typed("feedback", GOOD["feedback"]), "event_time": value}
    written_with = RegisteredSchema(text=json.dumps(plain))
    formats = formats_of(tmp_path, RegisteredSchema(text=json.dumps(schema)))
    if expected:
        assert decode("feedback", written(written_with, values), formats) == decode("feedback", raw("feedback"))
    else:
        error = refusal("feedback", written(written_with, values), formats)
        assert (error.reason, error.field) == ("bad_value", "event_time")


@pytest.mark.parametrize(
    ("kind", "value", "amount"),
    [
        ({"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}, Decimal("10.25"), "10.25"),
        ({"type": "fixed", "name": "Money", "size": 9, "logicalType": "decimal", "precision": 19, "scale": 4},
         Decimal("10.25"), "10.25"),
        ("string", "10.25", "10.25"),
        ("double", 10.25, "10.25"),
        ("long", 10, "10"),
        (["string", "double"], 10.25, "10.25"),
    ],
)  # fmt: skip
def test_amounts_of_other_producers_in_avro(tmp_path: Path, kind: Any, value: Any, amount: str) -> None:
    schema = json.loads(LANGUAGES["avro"].text("purchase_events"))
    next(field for field in schema["fields"] if field["name"] == "amount")["type"] = kind
    registered = RegisteredSchema(text=json.dumps(schema))
    event = decode(
        "purchase_events",
        written(registered, {**typed("purchase_events", GOOD["purchase_events"]), "amount": value}),
        formats_of(tmp_path, registered),
    )
    assert event.amount == Decimal(amount)  # type: ignore[attr-defined]


def test_an_amount_with_more_digits_than_its_schema_allows_is_not_rounded(tmp_path: Path) -> None:
    schema = json.loads(LANGUAGES["avro"].text("purchase_events"))
    plain = json.loads(json.dumps(schema).replace("logicalType", "note"))
    digits = 123_456_789_012_345_678_901_234_567_890
    raw_values = {"event_time": 1_740_830_400_250_000, "amount": digits.to_bytes(13, "big")}
    values = {**typed("purchase_events", GOOD["purchase_events"]), **raw_values}
    formats = formats_of(tmp_path, RegisteredSchema(text=json.dumps(schema)))
    error = refusal("purchase_events", written(RegisteredSchema(text=json.dumps(plain)), values), formats)
    assert error.field == "amount" and "123456789012345678901234.567890 is too large" in error.detail
    huge = {**values, "amount": b"\x7f" * 60_000}
    assert (
        refusal("purchase_events", written(RegisteredSchema(text=json.dumps(plain)), huge), formats).field == "amount"
    )


def test_limits_and_what_no_registry_says(known: Formats, tmp_path: Path) -> None:
    assert refusal(CLICK, b"\0" * (MAX_EVENT_BYTES + 1), known).reason == "too_large"
    assert refusal(CLICK, head(1), None).reason == "unknown_schema"
    assert refusal("orders", head(1), known).reason == "unknown_topic"
    for cut in range(5):
        assert refusal(CLICK, head(1)[: cut + 1], known).reason == "bad_payload"


def record(*fields: Any, name: str = "R") -> dict[str, Any]:
    return {
        "type": "record",
        "name": name,
        "fields": [{"name": f"f{i}", "type": kind} for i, kind in enumerate(fields)],
    }


def nested(depth: int) -> Any:
    kind: Any = "string"
    for i in range(depth):
        kind = record(kind, name=f"R{i}")
    return kind


def laughs() -> Any:
    """A schema of a few hundred bytes that stands for millions of types."""
    kinds = [record("null", name="L0")] + [record(*[f"L{i}"] * 9, name=f"L{i + 1}") for i in range(6)]
    return record(*kinds, name="Top")


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("AVRO", "", "not an Avro schema"),
        ("AVRO", "[" * 5_000, "not an Avro schema"),
        ("AVRO", '"string"', "is a record"),
        ("AVRO", json.dumps(record("Nowhere")), "not an Avro schema"),
        ("AVRO", json.dumps(record(["null", "R"])), "refers to itself"),
        ("AVRO", json.dumps(nested(40)), "too large"),
        ("AVRO", json.dumps(laughs()), "too large"),
        ("AVRO", json.dumps(record({"type": "array", "items": "null"})), "take no bytes"),
        ("AVRO", json.dumps(record({"type": "array", "items": record("null", "int", name="I")})), "take no bytes"),
        ("AVRO", json.dumps(record({"type": "map", "values": record("null", "int", name="I")})), "take no bytes"),
        ("AVRO", json.dumps(record({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 10**9})), ""),
        ("JSON", "", "not JSON"),
        ("JSON", '{"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}', "refers to itself"),
        ("PROTOBUF", "AAAA", "not a file"),
        ("PROTOBUF", "message X { string a = 1 }", "does not compile"),
        ("PROTOBUF", 'syntax = "proto3"; import "../../x.proto"; message X {}', "does not compile"),
    ],
)
def test_schemas_that_cannot_be_used(tmp_path: Path, kind: Any, text: str, words: str) -> None:
    formats = formats_of(tmp_path, RegisteredSchema(kind=kind, text=text))
    for _ in range(2):
        error = refusal(CLICK, head(1) + b"\0" * 20, formats)
        assert error.reason == "bad_schema" and words in error.detail and "schema 1" in error.detail


def test_enums_and_wrappers_in_protobuf(tmp_path: Path) -> None:
    text = """syntax = "proto3";
        import "google/protobuf/timestamp.proto"; import "google/protobuf/wrappers.proto";
        enum Priority { normal = 0; urgent = 3; }
        message Ticket { string event_id = 1; string customer_id = 2; google.protobuf.Timestamp event_time = 3;
            string action = 4; google.protobuf.StringValue ticket_id = 5; Priority priority = 6;
            optional google.protobuf.StringValue category = 7; repeated string unknown = 8; }"""
    formats = formats_of(tmp_path, RegisteredSchema(kind="PROTOBUF", text=text))
    body = b"\x0a\x01e\x12\x01c\x1a\x02\x08\x01\x22\x06opened\x2a\x03\x0a\x01t"
    event = decode("support_tickets", head(1) + b"\0" + body + b"\x30\x03", formats)
    assert (event.ticket_id, event.priority, event.category) == ("t", "urgent", None)  # type: ignore[attr-defined]
    assert decode("support_tickets", head(1) + b"\0" + body, formats).priority == "normal"  # type: ignore[attr-defined]
    assert refusal("support_tickets", head(1) + b"\0" + body + b"\x30\x09", formats).field == "priority"


def test_the_right_message_of_a_file_is_taken(tmp_path: Path) -> None:
    text = """syntax = "proto3";
        import "google/protobuf/timestamp.proto";
        message Nothing { message Feedback {
            string event_id = 1; string customer_id = 2; google.protobuf.Timestamp event_time = 3; int32 csat = 4; } }
        message Feedback { string customer_id = 1; string event_id = 2; google.protobuf.Timestamp event_time = 3;
            int32 csat = 4; }"""
    formats = formats_of(tmp_path, RegisteredSchema(kind="PROTOBUF", text=text))
    body = b"\x0a\x01a\x12\x01b\x1a\x02\x08\x01\x20\x05"
    inner = decode("feedback", head(1) + b"\x04\x00\x00" + body, formats)
    outer = decode("feedback", head(1) + b"\x02\x02" + body, formats)
    assert (inner.event_id, outer.event_id) == ("a", "b")
    assert inner.event_time == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    for indexes in (b"\x02\x04", b"\x02\x01", b"\x04\x00\x02", b"\xff" * 9, b"\x40", b"\x01", b"\x04\x00"):
        assert refusal("feedback", head(1) + indexes + body, formats).reason == "bad_payload"
