"""Cases, conditions, fields, customers: rows to events, against a row-by-row reading of the same rules."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport.replay import CheckingBus, load_mapping, outcome, replay

from .conftest import SHOP, Desk

HEAD = "when,who,order,paid\n"
ROW = "2024-01-01,ann,o1,1\n"


def test_cases_are_tried_in_order_and_each_row_taken_once(desk: Desk) -> None:
    text = SHOP + (
        "cases:\n"
        "  - {when: {order: {starts_with: C}}, fields: {action: {constant: cancellation}}}\n"
        "  - {when: {paid: {above: 100, below: 200}}, reject: bad_value, note: odd}\n"
        "  - {when: {order: {one_of: [x, 7]}}, fields: {product_id: {constant: special}}}\n"
        "  - {when: {order: {empty: false}, paid: {above: -1}}}\n"
    )
    bus, report = desk.replay(
        HEAD
        + "".join(
            f"2024-01-0{i},a,{o},{p}\n"
            for i, (o, p) in enumerate([("C1", 150), ("o1", 150), ("7", 1), ("o2", 2), ("o3", -5)], 1)
        ),
        text,
    )
    assert [(e["order_id"], e["action"], e.get("product_id")) for e in bus.events] == [
        ("C1", "cancellation", None),
        ("7", "order", "special"),
        ("o2", "order", None),
    ]
    assert {(d["line"], d["detail"]) for d in bus.dead} == {
        (3, "shop.csv, line 3: odd"),
        (6, "shop.csv, line 6: no case of the mapping takes this row"),
    }
    assert report.given == 5


def test_rows_without_a_customer(desk: Desk) -> None:
    rows = HEAD + ROW + "2024-01-01, ,o2,1\n2024-01-01,,o3,1\n"
    bus, report = desk.replay(rows)
    assert [(d["reason"], d["line"]) for d in bus.dead] == [("no_customer", 3), ("no_customer", 4)]
    bus, report = desk.replay(rows, SHOP.replace("column: who}", "column: who, when_missing: skip}"))
    assert (report.given, report.published, report.skipped, bus.dead) == (3, 1, 2, [])
    assert outcome(bus, report).as_dict() == {"given": 3, "accepted": 0, "dead_letters": {}, "skipped": 2, "pending": 1}


def test_fields(desk: Desk) -> None:
    text = SHOP + (
        "cases:\n"
        "  - fields:\n"
        "      quantity: {column: n, type: integer, default: 3}\n"
        "      product_id: {column: code, values: {A: apple, B: 5}}\n"
        "      amount: {product: [n, price], negate: true}\n"
    )
    rows = (
        "when,who,order,paid,n,code,price\n"
        "2024-01-01,a,o1,1,2,A,-1.005\n2024-01-02,a,o2,1,,B,1\n2024-01-03,a,o3,1,1,Q,-1\n"
    )
    bus, _ = desk.replay(rows, text)
    assert [(e["order_id"], e["quantity"], e["product_id"], e["amount"]) for e in bus.events] == [
        ("o1", 2, "apple", "2.010")
    ]
    assert [(d["reason"], d["field"]) for d in bus.dead] == [("missing_field", "amount"), ("bad_value", "product_id")]
    assert "'Q' is not one of A, B" in bus.dead[1]["detail"]


def test_an_optional_value_that_is_missing_is_left_out(desk: Desk) -> None:
    bus, _ = desk.replay(
        "when,who,order,paid,p\n2024-01-01,a,o,1,\n2024-01-01,a,o,1,NULL\n",
        SHOP.replace("fields:", "format: {missing: ['NULL']}\nfields:\n  product_id: p"),
    )
    assert all("product_id" not in event for event in bus.events)
    assert len(bus.events) == 2


def test_an_id_of_the_file_itself(desk: Desk) -> None:
    bus, _ = desk.replay(HEAD + ROW, SHOP + "event_id: {by: column, column: order}\n")
    assert bus.events[0]["event_id"] == "o1"


def test_a_second_replay_gives_the_same_ids(desk: Desk) -> None:
    first, second = (desk.replay(HEAD + ROW * 50)[0] for _ in range(2))
    ids = [e["event_id"] for e in first.events]
    assert ids == [e["event_id"] for e in second.events]
    assert len(set(ids)) == 50


words = st.sampled_from(["", "1", "2.5", "x", "2024-01-01", "2024-02-30", "C1", "-3", "ann", "1e99"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(words, words, words, words), max_size=40))
def test_every_row_is_an_event_or_a_dead_letter_whatever_is_in_it(rows: list[tuple[str, str, str, str]]) -> None:
    with TemporaryDirectory() as folder:
        mapping = Path(folder, "shop.yaml")
        mapping.write_text(SHOP)
        file = Path(folder, "f.csv")
        file.write_text(HEAD + "".join(",".join(row) + "\n" for row in rows))
        bus = CheckingBus()
        result = outcome(bus, replay(bus, file, load_mapping(mapping)))
    assert result.pending == 0
    assert (result.given, result.accepted, dict(result.dead_letters)) == _by_hand(rows)


def _by_hand(rows: list[tuple[str, str, str, str]]) -> tuple[int, int, dict[str, int]]:
    reasons: Counter[str] = Counter()
    for when, who, order, paid in rows:
        if not who:
            reasons["no_customer"] += 1
        elif when not in ("", "2024-01-01") or (when and paid not in ("", "1", "2.5", "-3")):
            reasons["bad_value"] += 1
        elif not (when and order and paid):
            reasons["bad_value" if paid not in ("", "1", "2.5", "-3") else "missing_field"] += 1
        elif paid == "-3":
            reasons["bad_value"] += 1  # by ingest: amounts are not negative
        else:
            reasons["accepted"] += 1
    accepted = reasons.pop("accepted", 0)
    return len(rows), accepted, dict(reasons)


@pytest.mark.parametrize("size", [1, 4_095, 4_096, 4_097, 9_000])
def test_chunks_lose_nothing(size: int, desk: Desk) -> None:
    bus, report = desk.replay(HEAD + "".join(f"2024-01-01,c{i},o{i},1\n" for i in range(size)))
    assert [e["order_id"] for e in bus.events] == [f"o{i}" for i in range(size)]
    assert report.given == size


def samples(bus: CheckingBus) -> dict[str, Any]:
    return {topic: len(kept) for topic, kept in bus.samples.items()}


def test_the_checking_bus_keeps_samples(desk: Desk) -> None:
    bus = CheckingBus(keep=2)
    replay(bus, desk.file(HEAD + ROW * 5 + "2024-01-01,,o,1\n"), desk.mapping())
    assert samples(bus) == {"purchase_events": 2, "dead_letters": 1}
