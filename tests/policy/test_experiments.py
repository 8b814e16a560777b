"""Experiments: each customer is in one arm, as often as its share says, and gets what the arm gets instead."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport.decisions import Situation
from rapport.decisions.dry_run import DryRun
from rapport.decisions.words import explain_in_words
from rapport.errors import PolicyError
from rapport.policy import DEFAULT_FOLDER, FILES, Bundle, parse_bundle
from tests.policy.test_dry_run import made

TEXTS = {name: (DEFAULT_FOLDER / f"{name}.yaml").read_bytes() for name in FILES}
POLICY = yaml.safe_load(TEXTS["policy"])
WARM: dict[str, Any] = {
    "description": "Whether warmer words calm.",
    "arms": {
        "plain": {"share": 0.7},
        "warm": {
            "share": 0.3,
            "instead": {"template": {"calm_help": "loyal_apology"}, "tone": {"empathetic": "apologetic"}},
        },
    },
}
OTHER: dict[str, Any] = {"description": "Another one.", "arms": {name: {"share": 0.25} for name in "abcd"}}
CUSTOMERS = [f"c{number}" for number in range(20_000)]


def bundle_of(experiments: dict[str, Any], first: dict[str, Any] | None = None) -> Bundle:
    rules = [*([first] if first else []), *POLICY["rules"]]
    policy = {**POLICY, "experiments": experiments, "rules": rules}
    return parse_bundle({**TEXTS, "policy": yaml.safe_dump(policy).encode()})


def test_shares_hold_and_experiments_do_not_depend_on_each_other() -> None:
    policy = bundle_of({"warm_words": WARM, "other": OTHER}).policy
    arms = [policy.arms_of(customer) for customer in CUSTOMERS]
    found = Counter((one["warm_words"], one["other"]) for one in arms)
    for (warm, _), count in found.items():
        expected = len(CUSTOMERS) * {"plain": 0.7, "warm": 0.3}[warm] / 4
        # five standard deviations
        assert abs(count - expected) < 5 * expected**0.5
    assert len(found) == 8
    assert [policy.arms_of(customer) for customer in CUSTOMERS[:100]] == arms[:100]
    # written down: it may not change with a release
    assert [policy.arms_of(who) for who in ("ann", "ben", "c-000001")] == PINNED


PINNED = [
    {"other": "b", "warm_words": "plain"},
    {"other": "a", "warm_words": "warm"},
    {"other": "a", "warm_words": "plain"},
]


@settings(max_examples=25)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=6), st.text(max_size=12))
def test_whoever_it_is_is_in_one_of_the_arms(weights: list[int], customer: str) -> None:
    shares = [weight / 64 for weight in weights[:-1]]
    arms = {f"a{number}": {"share": share} for number, share in enumerate([*shares, 1 - sum(shares)])}
    if 1 - sum(shares) > 0:
        assert bundle_of({"x": {"description": "d", "arms": arms}}).policy.arms_of(customer)["x"] in arms


def test_an_arm_gets_something_else_and_rules_may_ask_for_it() -> None:
    first = {
        "name": "champions who are in a",
        "when": {"segment": "Champions", "arm.other": ["a", "b"]},
        "then": {"tone": "formal", "template": "loyal_welcome"},
    }
    bundle = bundle_of({"warm_words": WARM, "other": OTHER}, first)

    def answered(**facts: Any) -> tuple[str, str, str]:
        answer = bundle.answer(Situation(**facts), {})
        return answer.rule, answer.tone, answer.template_id

    assert answered(sentiment="negative") == ("unhappy", "empathetic", "calm_help")
    assert answered(sentiment="negative", arms={"warm_words": "plain"}) == ("unhappy", "empathetic", "calm_help")
    assert answered(sentiment="negative", arms={"warm_words": "warm"}) == ("unhappy", "apologetic", "loyal_apology")
    assert answered(segment="Champions", arms={"other": "b"})[0] == "champions who are in a"
    assert answered(segment="Champions", arms={"other": "c"})[0] == "best customer"
    assert answered(segment="Champions")[0] == "best customer"
    test = bundle.policy.rules[0].tests[0]
    assert test.said(Situation(arms={"other": "b"})) == "arm.other is b, asked for: one of a, b"


def test_a_dry_run_puts_the_logged_customers_into_the_arms_of_its_policy() -> None:
    turn = {"signals": None, "segment": "Champions", "slots": {}, "features": {"rfm__frequency": 2.0}}
    all_formal = {
        **OTHER,
        "arms": {"a": {"share": 0.5}, "b": {"share": 0.5, "instead": {"tone": {"enthusiastic": "formal"}}}},
    }
    bundle = bundle_of({"x": all_formal})
    records = [made({**turn, "customer_id": customer})[0] for customer in CUSTOMERS[:200]]
    run = DryRun(bundle)
    run.add(records)
    in_b = sum(bundle.policy.arms_of(customer)["x"] == "b" for customer in CUSTOMERS[:200])
    report = run.report()
    assert 60 < in_b < 140
    assert [(one.field, one.after, one.decisions) for one in report.changes] == [("tone", "formal", in_b)]
    logged = msgspec.structs.replace(records[0], arms={"x": "b"})
    assert "In experiment x the customer is in the arm b." in explain_in_words(logged, bundle)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"arms": {"a": {"share": 0.5}, "b": {"share": 0.4}}}, "the shares of its arms add up to 0.9, not to 1"),
        ({"arms": {"a": {"share": 1}}}, "length >= 2"),
        ({"arms": {"a": {"share": 0}, "b": {"share": 1}}}, "> 0"),
        ({"arms": {"A b": {"share": 0.5}, "b": {"share": 0.5}}}, "not allowed"),
        ({"colour": 1}, "unknown field 'colour'"),
        ({"arms": {"a": {"share": 0.5, "instead": {"tone": {"rude": "formal"}}}, "b": {"share": 0.5}}}, "rude|tone"),
        (
            {"arms": {"a": {"share": 0.5, "instead": {"template": {"calm_helb": "calm_help"}}}, "b": {"share": 0.5}}},
            "unknown template 'calm_helb' .did you mean 'calm_help'",
        ),
    ],
)
def test_what_is_wrong_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(PolicyError, match=words):
        bundle_of({"x": {**OTHER, **change}})


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ({"arm.y": "a"}, "unknown experiment 'y'; experiments: x"),
        ({"arm.x": "e"}, "x has no arm 'e'; its arms: a, b, c, d"),
        ({"arm.x": {"known": True}}, "give an arm, or a list of arms"),
        ({"arm.x": []}, "the list is empty"),
    ],
)
def test_rules_over_arms_that_do_not_exist_are_refused(condition: dict[str, Any], words: str) -> None:
    rule = {"name": "r", "when": condition, "then": {"tone": "formal", "template": "calm_help"}}
    with pytest.raises(PolicyError, match=words):
        bundle_of({"x": OTHER}, rule)
