"""Formats and compression, found by name and content; lines, broken rows, and files that end too early."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rapport.errors import MappingError

from .conftest import SHOP, Desk

CSV = "when,who,order,paid\n2024-01-01T10:00:00Z,ann,o1,1.50\n2024-01-01T11:00:00Z,bob,o2,2\n"
JSONL = (
    '{"when": "2024-01-01T10:00:00Z", "who": "ann", "order": "o1", "paid": 1.50}\n'
    '\n{"when": "2024-01-01T11:00:00Z", "who": "bob", "order": "o2", "paid": 2}\n'
)


def parquet(folder: Path) -> bytes:
    table = pa.table(
        {
            "when": pa.array([1704103200, 1704106800], pa.timestamp("s", "UTC")),
            "who": ["ann", "bob"],
            "order": ["o1", "o2"],
            "paid": [1.5, 2.0],
        }
    )
    pq.write_table(table, folder / "made")
    return (folder / "made").read_bytes()


def essence(events: list[dict[str, Any]]) -> list[tuple[str, str, str, float]]:
    return [(e["event_time"], e["customer_id"], e["order_id"], float(e["amount"])) for e in events]


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.jsonl", "a.ndjson.gz", "a.parquet", "noname"])
def test_every_format_gives_the_same_events(name: str, desk: Desk) -> None:
    content = {"csv": CSV.encode(), "jso": JSONL.encode(), "ndj": JSONL.encode(), "par": parquet(desk.folder)}
    data = content.get(name.partition(".")[2][:3], CSV.encode())
    bus, report = desk.replay(gzip.compress(data, mtime=0) if name.endswith(".gz") else data, name=name)
    assert essence(bus.events) == [
        ("2024-01-01T10:00:00Z", "ann", "o1", 1.5),
        ("2024-01-01T11:00:00Z", "bob", "o2", 2.0),
    ]
    assert (report.given, report.published, report.dead_letters) == (2, 2, {})


def test_content_decides_over_the_name(desk: Desk) -> None:
    assert len(desk.replay(JSONL, name="export.csv")[0].events) == 2


def test_ids_are_the_same_compressed_or_not_and_differ_by_content(desk: Desk) -> None:
    plain, _ = desk.replay(CSV)
    packed, _ = desk.replay(gzip.compress(CSV.encode(), mtime=0), name="shop.csv.gz")
    other, _ = desk.replay(CSV.replace("ann", "amy"))
    ids = [[e["event_id"] for e in bus.events] for bus in (plain, packed, other)]
    assert ids[0] == ids[1]
    assert not set(ids[0]) & set(ids[2])


def test_broken_rows_go_to_the_dead_letters_with_line_and_text(desk: Desk) -> None:
    rows = 'when,who,order,paid\n"2024-01-01",ann,"o\n1",1\nonly,two\n\n2024-01-01,bob,o2,1\nx,eve,o3,1\n'
    bus, report = desk.replay(rows)
    assert [e["order_id"] for e in bus.events] == ["o\n1", "o2"]
    assert [(d["line"], d["reason"]) for d in bus.dead] == [(4, "bad_value"), (7, "bad_value")]
    assert "only,two" in bus.dead[0]["raw"]
    assert "2 columns where the file has 4" in bus.dead[0]["detail"]
    assert "'x' is not a time" in bus.dead[1]["detail"]
    assert (report.given, report.published, report.dead_letters) == (4, 2, {"bad_value": 2})


def test_a_quote_that_never_closes_loses_nothing_of_the_file(desk: Desk) -> None:
    rows = "when,who,order,paid\n" + 'x,"ann,o1,1\n' + "2024-01-01T10:00:00Z,bob,o2,1\n" * 10_000
    bus, report = desk.replay(rows)
    assert report.given == report.published + sum(report.dead_letters.values())
    lines = len(bus.events) + sum(d["raw"].count("\n") + 1 for d in bus.dead)
    assert lines == 10_001


def test_json_lines_that_are_no_objects(desk: Desk) -> None:
    bus, _ = desk.replay(JSONL + "{broken\n[1]\n", name="a.jsonl")
    assert [(d["reason"], d["line"], d["raw"]) for d in bus.dead] == [
        ("bad_json", 4, "{broken"),
        ("bad_value", 5, "[1]"),
    ]


def test_bytes_that_are_not_of_the_encoding(desk: Desk) -> None:
    bus, _ = desk.replay(CSV.replace("o2", "caf\xe9").encode("latin-1"))
    assert [d["reason"] for d in bus.dead] == ["bad_value"]
    assert "encoding" in bus.dead[0]["detail"]
    bus, _ = desk.replay(CSV.replace("o2", "caf\xe9").encode("latin-1"), SHOP + "format: {encoding: latin-1}\n")
    assert bus.events[1]["order_id"] == "café"


def test_a_byte_order_mark_is_no_part_of_the_first_column(desk: Desk) -> None:
    assert len(desk.replay(b"\xef\xbb\xbf" + CSV.encode())[0].events) == 2


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (b"", "a.csv", "there is no row"),
        (gzip.compress(CSV.encode() * 50, mtime=0)[:-20], "a.csv.gz", "cannot be read"),
        (b"PAR1 no", "a.parquet", "not a readable Parquet file"),
        (CSV.encode(), "a.parquet", "its content is not Parquet"),
        (b"a,a\n1,2\n", "a.csv", "'a' more than once"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(content: bytes, name: str, message: str, desk: Desk) -> None:
    with pytest.raises(MappingError, match=message):
        desk.replay(content, name=name)


def test_layouts_name_columns_with_and_without_a_header(desk: Desk) -> None:
    layouts = SHOP + "format: {type: whitespace, layouts: [[when, who, order, paid], [n, when, who, order, paid]]}\n"
    for text in ("when who order paid\n2024-01-01 a o1 1\n", "2024-01-01  a o1 1\r\n", " 7 2024-01-01\ta o1 1\n"):
        bus, _ = desk.replay(text, layouts, "a.txt")
        assert [e["order_id"] for e in bus.events] == ["o1"]
    with pytest.raises(MappingError, match="2 columns; the mapping's layouts have 4 or 5"):
        desk.replay("a b\n", layouts, "a.txt")


def test_a_list_is_exploded_into_a_row_per_item(desk: Desk) -> None:
    text = SHOP.replace("when}", "items.at}").replace("order_id: order", 'order_id: {template: "{who}-{$row}"}')
    text = text.replace("paid", "items.paid") + "format: {explode: items}\n"
    line = (
        '{"who": "ann", "items": [{"at": "2024-01-01", "paid": 1}, {"at": "2024-01-02", "paid": 2.25}]}\n{"who": "x"}\n'
    )
    bus, report = desk.replay(line, text, "a.jsonl")
    assert [(e["order_id"], e["amount"]) for e in bus.events] == [("ann-1.1", "1"), ("ann-1.2", "2.25")]
    assert len({e["event_id"] for e in bus.events}) == 2
    assert report.dead_letters == {"bad_value": 1}
