"""docs/features.md says what the code takes: its tables of types and functions are held against it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rapport.errors import DeclarationError
from rapport.feast.declare import column_kinds, column_scales
from rapport.testing.repository import source_of
from rapport.windows import FUNCTIONS, Kind

PAGE = (Path(__file__).parents[2] / "docs" / "features.md").read_text()
KINDS = {"integer": Kind.INT, "float": Kind.FLOAT, "decimal": Kind.DECIMAL, "string": Kind.STRING, "boolean": Kind.BOOL}
OF_THE_EVENT_ITSELF = {"count", "time_since_last"}


def _table(first_header: str) -> list[list[str]]:
    text = PAGE[PAGE.index(f"| {first_header} |") :].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]


def test_the_table_of_functions_is_the_codes() -> None:
    header, _, *rows = _table("function")
    told = {name: row for row in rows for name in re.findall(r"`(\w+)`", row[0])}
    assert told.keys() == FUNCTIONS.keys()
    for name, row in told.items():
        taken = {KINDS[column] for column, cell in zip(header, row, strict=True) if cell == "x" and column in KINDS}
        assert taken == set(FUNCTIONS[name]), name
        assert (row[header.index("the event itself")] == "x") == (name in OF_THE_EVENT_ITSELF)


def test_the_types_of_columns_are_the_codes() -> None:
    _, _, *rows = _table("type in the source")
    for types, kind, *_ in rows:
        for name in re.findall(r"`([^`]+)`", types):
            source = source_of("topic", {"column": Kind.INT})
            ddl = name.replace("digits,places", "12,2")
            source.kafka_options.message_format.schema_json = f"other bigint, column {ddl}, more string"
            assert column_kinds(source)["column"] is KINDS[kind], name
            assert column_scales(source) == ({"column": 2} if kind == "decimal" else {})


@pytest.mark.parametrize("ddl", ["decimal(19,2)", "decimal(4,5)", "decimal", "decimal(0,0)", "binary", ""])
def test_other_types_are_refused_with_the_choices(ddl: str) -> None:
    source = source_of("topic", {"column": Kind.INT})
    source.kafka_options.message_format.schema_json = f"column {ddl}"
    with pytest.raises(
        DeclarationError, match=r"source 'topic': cannot read .* decimal\(digits,places\) of at most 18"
    ):
        column_kinds(source)
