"""Rules of noise: what they drop, and what is wrong with a file of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from edge_receiver import click

from rapport.edge.rules import Noise, load_rules
from rapport.errors import MappingError
from rapport.events.decode import decode

CLICKS = "customer_clicks"


def noise(tmp_path: Path, text: str) -> Noise:
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    return Noise(load_rules(path))


def judged(noise: Noise, *events: dict[str, object], agent: str = "") -> list[str | None]:
    return [noise.rule_of(CLICKS, decode(CLICKS, json.dumps(event).encode()), agent) for event in events]


def at(second: float) -> str:
    return f"2026-03-01T12:00:{second:06.3f}Z"


def test_repeats_are_judged_by_the_events_own_times(tmp_path: Path) -> None:
    rules = noise(
        tmp_path,
        "drop: [{name: again, topic: customer_clicks, where: {action: [view]}, "
        "repeated: {fields: [customer_id, product_id], within_s: 5}}]",
    )
    events = [
        click("a", event_time=at(10)),
        click("b", event_time=at(14.999)),
        click("c", event_time=at(15)),
        click("d", event_time=at(11)),
        click("e", event_time=at(15), product_id="p2"),
        click("f", event_time=at(15), customer_id="c2"),
        click("g", event_time=at(15), action="cart_add"),
        click("c", event_time=at(15)),
    ]
    assert judged(rules, *events) == [None, "again", None, "again", None, None, None, None]


def test_what_is_too_much_for_a_person(tmp_path: Path) -> None:
    rules = noise(
        tmp_path,
        "drop: [{name: fast, topic: customer_clicks, more_than: {events: 3, per: session_id, within_s: 10}}]",
    )
    burst = [click(str(i), event_time=at(i)) for i in range(12)]
    assert judged(rules, *burst) == [None] * 3 + ["fast"] * 7 + [None] * 2
    assert judged(rules, *burst[:3]) == [None] * 3, "what was kept comes again"
    assert judged(rules, click("n", session_id=None), click("o", session_id="s2")) == [None, None]


def test_memory_of_rules_is_bounded(tmp_path: Path) -> None:
    rules = noise(
        tmp_path,
        "drop: [{name: fast, topic: customer_clicks, more_than: {events: 1, per: session_id, within_s: 10}}, "
        "{name: again, topic: customer_clicks, repeated: {fields: [session_id], within_s: 5}}]",
    )
    event = decode(CLICKS, json.dumps(click("x")).encode())
    import msgspec

    for number in range(25_000):
        assert rules.rule_of(CLICKS, msgspec.structs.replace(event, session_id=str(number)), "") is None
    last = msgspec.structs.replace(event, session_id="24999", event_id="y")
    first = msgspec.structs.replace(event, session_id="0", event_id="y")
    assert rules.rule_of(CLICKS, last, "") == "fast" and rules.rule_of(CLICKS, first, "") is None


def test_patterns_and_agents(tmp_path: Path) -> None:
    rules = noise(
        tmp_path,
        "drop: [{name: probes, topic: customer_clicks, where: {page: ['/health*', /ping]}, user_agent: [probe]}]",
    )
    health, shop = click("h", page="/healthz"), click("s", page="/shop")
    assert judged(rules, health, shop, click("n"), agent="Kube-Probe/1") == ["probes", None, None]
    assert judged(rules, health) == [None]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("drop: [{name: a, topic: orders, where: {page: [x]}}]", "topic 'orders' is none of customer_clicks"),
        ("drop: [{name: a, topic: feedback, where: {page: [x]}}]", "field 'page' is none of"),
        ("drop: [{name: a, topic: feedback}]", "rule 'a' has no condition"),
        ("drop: [{name: a, topic: feedback, refused: what}]", "`refused` 'what' is none of"),
        ("drop: [{name: a, topic: feedback, refused: csat, where: {csat: ['1']}}]", "goes with `user_agent` only"),
        ("drop: [{name: a, topic: feedback, more_than: {events: 1, per: x, within_s: 1}}]", "`more_than.per` 'x'"),
        ("drop: [{name: A b, topic: feedback, refused: csat}]", "name"),
        ("drop: [{name: a, topic: feedback, refused: csat, when: 1}]", "unknown field `when`"),
        ("drop: [{name: a, topic: feedback, refused: csat}, {name: a, topic: feedback, refused: nps}]", "two rules"),
        ("drop: {", "rules.yaml"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(MappingError, match=said.replace("(", r"\(")):
        noise(tmp_path, text)
