"""A mapping file that is wrong is refused with file, line, key, and what is allowed."""

from __future__ import annotations

import pytest

from rapport.errors import MappingError
from rapport.replay import load_mapping, mapping_names

from .conftest import SHOP, Desk

WRONG = {
    "an unknown key at the top": (SHOP + "colour: red\n", ["shop.yaml, line 11, colour", "unknown key", "customer"]),
    "a near miss": (
        SHOP.replace("column: when}", "column: when, zon: UTC}"),
        ["line 4, time.zon", "did you mean zone?"],
    ),
    "an unknown key of a field": (
        SHOP.replace("type: decimal", "typ: decimal"),
        ["line 9, fields.amount.typ", "did you mean type?", "negate"],
    ),
    "a type that is none": (SHOP.replace("decimal", "money"), ["line 9, fields.amount", "money"]),
    "a topic that is none": (SHOP.replace("purchase_events", "purchases"), ["line 3, topic", "purchases"]),
    "a missing key": (SHOP.replace("time: {column: when}", ""), ["missing required field `time`"]),
    "a field that the event has not": (
        SHOP.replace("order_id: order", "order_id: order\n  colour: hue"),
        ["line 9, fields.colour", "no such field", "order_id"],
    ),
    "a required field left out": (SHOP.replace("  order_id: order\n", ""), ["needs the field 'order_id'"]),
    "two sources": (
        SHOP.replace("{constant: EUR}", "{constant: EUR, column: c}"),
        ["line 10, fields.currency", "exactly one of column, constant, template, product"],
    ),
    "a zone that is none": (
        SHOP.replace("column: when}", "column: when, zone: Mars/Olympus}"),
        ["line 4, time.zone", "Mars/Olympus", "Europe/London"],
    ),
    "a time format that gives no day": (
        SHOP.replace("column: when}", 'column: when, format: "%H:%M"}'),
        ["line 4, time.format", "iso, seconds, milliseconds, microseconds"],
    ),
    "a condition that is none": (
        SHOP + "cases:\n  - when: {order: {equal: C}}\n",
        ["line 12, cases[0].when.order.equal", "did you mean equals?"],
    ),
    "a rejecting case with fields": (
        SHOP + "cases:\n  - reject: bad_value\n    fields: {quantity: q}\n",
        ["line 12, cases[0]", "no topic and no fields"],
    ),
    "a template with a loose brace": (
        SHOP.replace("order_id: order", 'order_id: {template: "{order"}'),
        ["line 8, fields.order_id.template", "brace"],
    ),
    "no YAML": ("name: [", ["shop.yaml, line", "not valid YAML"]),
    "a key twice": (SHOP + "name: again\n", ["line 11", "'name'", "twice"]),
    "a text that is negated": (
        SHOP.replace("order_id: order", "order_id: {column: order, negate: true}"),
        ["line 8, fields.order_id.negate"],
    ),
    "an id column without its rule": (SHOP + "event_id: {by: column}\n", ["line 11, event_id", "`column`"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_mapping_names_line_key_and_what_is_allowed(name: str, desk: Desk) -> None:
    text, expected = WRONG[name]
    with pytest.raises(MappingError) as caught:
        desk.mapping(text)
    for part in expected:
        assert part in str(caught.value)


def test_an_unknown_name_lists_the_shipped_ones() -> None:
    with pytest.raises(MappingError, match=r"did you mean online_retail\? .*cdnow, online_retail, otto"):
        load_mapping("online_retial")


def test_a_path_that_is_not_there() -> None:
    with pytest.raises(MappingError, match=r"nowhere\.yaml: cannot be read"):
        load_mapping("./nowhere.yaml")


@pytest.mark.parametrize("name", mapping_names())
def test_the_shipped_mappings_load_under_their_own_names(name: str) -> None:
    assert load_mapping(name).name == name


def test_a_column_that_the_file_lacks_is_named_with_those_it_has(desk: Desk) -> None:
    with pytest.raises(MappingError, match=r"shop\.csv has no column 'paid'.*when, who, order, price"):
        desk.replay("when,who,order,price\n")
