"""The file of triggers: what is right is read, and what is wrong is refused by name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rapport.errors import DeclarationError
from rapport.triggers.declared import Cap
from rapport.triggers.durations import in_words, parse_duration
from rapport.triggers.file import FILE, topics_in
from rapport.triggers.load import Declared, load_triggers, parse_triggers
from tests.source_tree import ROOT

GOOD = """
version: 1
triggers:
  - name: cart
    absence:
      after: {topic: customer_clicks, where: {action: cart_add, quantity: {at_least: 2}}}
      without: [{topic: purchase_events}]
      for: 30 min
    columns: [product_id]
    reason: "{product_id} {event_time} {for}"
  - name: surge
    features:
      event: {topic: chat_messages}
      when: [{feature: "conversation:messages_10m", at_least: 3}]
    reason: "{messages_10m}"
  - name: drop
    drop: {activity: {topic: customer_clicks}, recent: "v:a", habit: "v:b", every: 6 h}
    reason: "{recent} {expected} {chance}"
  - name: urgent
    event: {topic: support_tickets, where: {urgent: true, priority: [high, urgent]}}
    reason: "at {event_time}"
"""


def test_a_cap_and_what_is_decided() -> None:
    declared = parse_triggers(GOOD)
    assert declared.cap is None and not any(trigger.decide for trigger in declared.triggers)
    text = GOOD.replace("version: 1", "version: 1\ncap: {at_most: 2, within: 1 d}").replace(
        "  - name: drop", "    decide: true\n  - name: drop"
    )
    declared = parse_triggers(text)
    assert declared.cap == Cap(2, 86_400_000_000)
    assert [trigger.decide for trigger in declared.triggers] == [False, True, False, False]


def test_the_four_kinds_are_read() -> None:
    cart, surge, drop, urgent = parse_triggers(GOOD).triggers
    assert [one.kind for one in (cart, surge, drop, urgent)] == ["absence", "features", "drop", "event"]
    assert (cart.quiet_us, cart.expires_us) == (3_600_000_000, 86_400_000_000)
    assert list(drop.features()) == [("v", "a"), ("v", "b")]
    assert [match.topic for match in (cart.cause, *cart.ends)] == ["customer_clicks", "purchase_events"]


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("version: 1", "version: 2", "version 2 is not known"),
        ("version: 1", "version: 1\ncap: {at_most: 0, within: 1 d}", "cap.at_most: 0 is out of range: 1 to 100"),
        ("version: 1", "version: 1\ncap: {at_most: 2, within: 1 w}", "cap.within: '1 w' is no length of time"),
        ("version: 1", "version: 1\ncap: {at_most: 2, per: 1 d}", "unknown field `per`; allowed here: at_most, within"),
        ("version: 1", "version: [", "not YAML"),
        ("name: surge", "name: cart", "two triggers are named 'cart'"),
        ("name: surge", "name: Surge", "small letters"),
        ("    absence:", "    absent:", "unknown field `absent`; allowed here: name, reason, .* absence"),
        (
            "      for: 30 min",
            "      for: 30 min\n      until: 1 h",
            "unknown field `until`; allowed here: after, without, for",
        ),
        ("for: 30 min", "for: half an hour", "'half an hour' is no length of time"),
        ("for: 30 min", "for: 401 d", "1 s to 400 d is allowed"),
        ("topic: purchase_events", "topic: purchases", "unknown topic 'purchases'.*topics: customer_clicks"),
        ("action: cart_add", "actoin: cart_add", "no column 'actoin' .did you mean 'action'.*columns: event_id"),
        ("quantity: {at_least: 2}", "action: {at_least: 2}", "twice|is a string: limits are for numbers"),
        ("quantity: {at_least: 2}", "quantity: {}", "give `at_least`, `below` or both"),
        ("quantity: {at_least: 2}", "quantity: {at_least: 2, below: 2}", "leave nothing between"),
        ("quantity: {at_least: 2}", "quantity: two", "'two' is not of the column's kind, int"),
        ("quantity: {at_least: 2}", "quantity: []", "list is empty"),
        ("[{topic: purchase_events}]", "[]", "`without` is empty"),
        ("columns: [product_id]", "columns: [order_id]", "no column 'order_id'"),
        ("columns: [product_id]", "columns: [product_id, customer_id]", "its reason never"),
        ('"{messages_10m}"', '"{customer_id}"', "{customer_id} is no value of it; there are event_time, messages_10m"),
        ('"{messages_10m}"', '"{messages_10m.real}"', "is no value of it"),
        ('"{messages_10m}"', '"{messages_10m:>9999999}"', "is no value of it"),
        ('"{messages_10m}"', '"{"', "braces hold the name of a value"),
        ('"{messages_10m}"', '" "', "1 to 500 characters"),
        ('"conversation:messages_10m"', '"messages_10m"', "view:feature"),
        (", at_least: 3}", "}", "give `at_least`, `below` or both"),
        ('habit: "v:b"', 'habit: "v:b", chance: 0.9', "above 0 to 0.5 is allowed"),
        ('habit: "v:b"', 'habit: "v:b", clump: 0', "1 to 1,000,000 is allowed"),
        ("every: 6 h", "every: 1 s", "1 min to 400 d is allowed"),
        (
            "    event: {topic: support_tickets",
            "    columns: []\n    reason: x\n    evnt: {topic: support_tickets",
            "evnt|twice",
        ),
        (
            "    drop: {activity",
            "    event: {topic: feedback}\n    drop: {activity",
            "exactly one of .* event and drop",
        ),
    ],
)
def test_what_is_wrong_is_refused_by_name(before: str, after: str, words: str) -> None:
    assert before in GOOD
    with pytest.raises(DeclarationError, match=words) as refused:
        parse_triggers(GOOD.replace(before, after, 1))
    assert FILE in str(refused.value)
    assert refused.value.exit_code == 2


def test_no_file_is_no_triggers(tmp_path: Path) -> None:
    assert load_triggers(tmp_path) == Declared() and topics_in(tmp_path) == ()


def test_the_demos_triggers_and_those_of_the_page_are_right() -> None:
    demo = load_triggers(ROOT).triggers
    assert [one.name for one in demo] == ["abandoned_cart", "repeated_query", "frustration_surge", "activity_drop"]
    assert topics_in(ROOT) == ("chat_messages", "customer_clicks", "purchase_events")
    page = (ROOT / "docs" / "triggers.md").read_text()
    (declared,) = re.findall(r"^```yaml\n(version: 1\n.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    assert [one.name for one in parse_triggers(declared).triggers] == ["abandoned_cart"]


@pytest.mark.parametrize("text", ["1 s", "30 min", "1 h", "7 d", "90 s"])
def test_lengths_of_time_read_back_as_written(text: str) -> None:
    assert in_words(parse_duration(text, "here")) == text
