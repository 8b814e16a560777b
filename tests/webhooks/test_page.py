"""docs/webhooks.md: its example works as it says, and it names every key and every mapping."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest
from sources import NOW_US, SECRET

from rapport.webhooks import Source, example_names
from rapport.webhooks import mapping as schema

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_example_does_what_the_page_says(tmp_path: Path) -> None:
    payload, answer = blocks("json")
    (mapping,) = blocks("yaml")
    (tmp_path / "shop.yaml").write_text(mapping)
    (tmp_path / "shop.secret").write_bytes(SECRET)
    source = Source.load(tmp_path / "shop.yaml")
    made = source.translate({"x-shopify-topic": "orders/create"}, payload.encode(), NOW_US)
    expected = json.loads(answer)
    assert [{"topic": event.topic, "event_id": event.event_id} for event in made.events] == expected["events"]
    assert (made.skipped, expected["source"]) == (expected["skipped"], source.mapping.name)


@pytest.mark.parametrize("kind", [schema.WebhookMapping, schema.EventRule, schema.Signature])
def test_every_key_is_explained(kind: type[msgspec.Struct]) -> None:
    for field in msgspec.structs.fields(kind):
        assert f"`{field.name}`" in PAGE, field.name


def test_every_mapping_that_comes_with_it_is_described() -> None:
    assert re.findall(r"^\| `([a-z]+)` \| (?:a|the) ", PAGE, re.MULTILINE)
    for name in example_names():
        assert f"\n| `{name}` |" in PAGE
