"""docs/events.md says what the code does: its tables are compared with the structs, columns and limits."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rapport.bus.seen import REMEMBERED_S
from rapport.events.columns import BASE, COLUMNS
from rapport.events.decode import MAX_EVENT_BYTES
from rapport.events.fields import allowed_fields
from rapport.events.schema import TOPICS, Event
from rapport.events.text import MAX_QUERY
from rapport.events.times import MAX_AHEAD_US

PAGE = (Path(__file__).parents[2] / "docs" / "events.md").read_text()
COMMON = Event.__struct_fields__


def section(title: str) -> str:
    match = re.search(rf"^##+ {re.escape(title)}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert match, f"docs/events.md has no section {title!r}"
    return match[1]


def table(text: str, head: str) -> list[list[str]]:
    """The cells of the table whose first head cell is `head`."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    heads = [i for i, row in enumerate(rows) if row[0] == head]
    assert heads, f"no table with the head {head!r}"
    body = rows[heads[0] + 2 :]
    ends = [i for i, row in enumerate(body) if row[0] in ("field", "column", "reason")]
    return body[: ends[0]] if ends else body


@pytest.mark.parametrize("topic", TOPICS)
def test_field_tables(topic: str) -> None:
    fields = [field for field in allowed_fields(topic).values() if field.name not in COMMON]
    expected = [[f"`{f.name}`", "yes" if f.required else "no", f.words] for f in fields]
    assert table(section(topic), "field") == expected


def test_common_fields() -> None:
    expected = [
        [f"`{name}`", "yes" if field.required else "no", field.words]
        for name, field in allowed_fields("feedback").items()
        if name in COMMON
    ]
    assert table(section("Every event"), "field") == expected


@pytest.mark.parametrize("topic", TOPICS)
def test_column_tables(topic: str) -> None:
    rows = table(section(topic), "column")
    assert [row[:2] for row in rows] == [[f"`{name}`", kind.name.lower()] for name, kind in COLUMNS[topic].items()]
    assert all(row[2] for row in rows)


def test_base_columns() -> None:
    rows = table(section("Columns of every row"), "column")
    assert [row[:2] for row in rows] == [[f"`{name}`", kind.name.lower()] for name, kind in BASE.items()]


def test_reasons_and_limits() -> None:
    source = (Path(__file__).parents[2] / "src/rapport/events").rglob("*.py")
    texts = [path.read_text() for path in source] + [(Path(__file__).parents[2] / "flows/check.py").read_text()]
    raised = {reason for text in texts for reason in re.findall(r'EventError\(\s*"(\w+)"', text)}
    assert {row[0].strip("`") for row in table(section("Reasons"), "reason")} == raised
    limits = section("Limits")
    for figure in (f"{MAX_EVENT_BYTES:,}", str(MAX_AHEAD_US // 60_000_000), str(REMEMBERED_S // 60), str(MAX_QUERY)):
        assert figure in limits
