"""The schemas that are made of the structs: what lies in docs, what other libraries make of them, and their numbers."""

from __future__ import annotations

import json
import re

import fastavro
import jsonschema
import pytest
from registered import message_class
from samples import GOOD, raw

from rapport.events.fields import allowed_fields
from rapport.events.formats.made import LANGUAGES
from rapport.events.schema import EVENT_TYPES, TOPICS
from tests.source_tree import ROOT

DOCS = ROOT / "docs" / "schemas"
POLICY = ("policy.schema.json", "templates.schema.json", "intents.schema.json")
"""Those of the policy's files, which tests/policy looks at."""


def test_the_files_in_docs_are_those_of_the_structs() -> None:
    made = {f"{topic}{one.suffix}": one.text(topic) for topic in TOPICS for one in LANGUAGES.values()}
    found = {path.name: path.read_text() for path in DOCS.iterdir() if path.name not in POLICY}
    assert found == made, "run `rapport schemas --write docs/schemas`"


@pytest.mark.parametrize("topic", TOPICS)
def test_every_field_is_in_every_language(topic: str) -> None:
    fields = set(EVENT_TYPES[topic].__struct_fields__)
    avro = fastavro.parse_schema(json.loads(LANGUAGES["avro"].text(topic)))
    assert {field["name"] for field in avro["fields"]} == fields
    assert set(json.loads(LANGUAGES["json"].text(topic))["properties"]) == fields
    assert {field.name for field in message_class(LANGUAGES["proto"].text(topic)).DESCRIPTOR.fields} == fields


@pytest.mark.parametrize("topic", TOPICS)
def test_json_schema_says_what_the_decoder_says(topic: str) -> None:
    schema = json.loads(LANGUAGES["json"].text(topic))
    jsonschema.Draft7Validator.check_schema(schema)
    valid = jsonschema.Draft7Validator(schema)
    good = GOOD[topic]
    assert valid.is_valid(good)
    for name, field in allowed_fields(topic).items():
        assert valid.is_valid({k: v for k, v in good.items() if k != name}) is not field.required
    assert not valid.is_valid({**good, "colour": "red"})
    assert not valid.is_valid({**good, "event_id": "a\nb"})
    assert valid.is_valid(json.loads(raw(topic)))


def test_numbers_in_protocol_buffers_do_not_move() -> None:
    text = LANGUAGES["proto"].text("purchase_events")
    numbers = {name: int(number) for name, number in re.findall(r"(\w+) = (\d+);", text)}
    assert numbers == {
        "event_id": 1, "customer_id": 2, "event_time": 3, "schema_version": 4,
        "action": 8, "order_id": 9, "amount": 10, "currency": 11, "product_id": 12, "quantity": 13,
    }  # fmt: skip
