"""docs/replay.md: its example works as it says, and it names every key."""

from __future__ import annotations

import json
import re
from pathlib import Path

import msgspec
import pytest

from rapport.replay import CheckingBus, load_mapping, mapping_names, outcome, replay
from rapport.replay import mapping as schema

PAGE = (Path(__file__).parents[2] / "docs" / "replay.md").read_text()


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found
    return found[1]


def test_the_example_does_what_the_page_says(tmp_path: Path) -> None:
    (tmp_path / "purchases.csv").write_text(block("csv"))
    (tmp_path / "purchases.yaml").write_text(block("yaml"))
    bus = CheckingBus()
    report = replay(bus, tmp_path / "purchases.csv", load_mapping(tmp_path / "purchases.yaml"))
    assert outcome(bus, report).as_dict() == json.loads(block("json"))


@pytest.mark.parametrize("kind", [schema.Mapping, schema.FileFormat, schema.TimeRule, schema.CustomerRule,
                                  schema.EventIdRule, schema.FieldRule, schema.Condition, schema.Case])  # fmt: skip
def test_every_key_is_explained(kind: type[msgspec.Struct]) -> None:
    for field in msgspec.structs.fields(kind):
        assert f"`{field.name}`" in PAGE or f"`{field.name}:" in PAGE, field.name


def test_every_shipped_mapping_is_described() -> None:
    for name in mapping_names():
        assert f"**{name}**" in PAGE
