"""Rules: the first whose conditions all hold decides, as a naive reading of the file says; a wrong file is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rapport.decisions import FACTS, Situation
from rapport.errors import PolicyError
from rapport.policy import DEFAULT_FOLDER, TONES, load_bundle, parse_policy

BUNDLE = load_bundle(DEFAULT_FOLDER)
HEAD = "format: 1\nversion: t1\nactions: {answer: {description: Answer.}, end: {description: End.}}\n"
DEFAULT = "default: {tone: neutral, template: a, next_action: answer}\n"
OFFERS = "offers: {gift: {description: A gift., values: {percent: 10}}}\n"

_values: dict[type, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    str: st.sampled_from(["negative", "neutral", "positive", "Champions", "Lost", "web", "x{y}\n"]),
    float: st.sampled_from([0.0, 0.1, 0.5, 0.50001, 1.0]),
    int: st.integers(0, 4),
}
_nothing = Situation()
_never_none = {name for name in FACTS if getattr(_nothing, name) is not None}
situations = st.fixed_dictionaries(
    {name: _values[kind] if name in _never_none else _values[kind] | st.none() for name, kind in FACTS.items()}
).map(lambda values: Situation(**values))


@st.composite
def conditions(draw: st.DrawFn) -> tuple[str, Any]:
    """A fact and a condition on it that is right."""
    fact = draw(st.sampled_from(sorted(FACTS)))
    value = _values[FACTS[fact]]
    kinds = ["equal", "any", "none_of"] + (["limits"] if FACTS[fact] in (int, float) else [])
    kinds += [] if fact in _never_none else ["known"]
    match draw(st.sampled_from(kinds)):
        case "equal":
            return fact, draw(value)
        case "any":
            return fact, draw(st.lists(value, min_size=1, max_size=3))
        case "none_of":
            return fact, {"none_of": draw(st.lists(value, min_size=1, max_size=3))}
        case "known":
            return fact, {"known": draw(st.booleans())}
    low = draw(st.sampled_from([0, 1, 0.5]))
    return fact, draw(st.sampled_from([{"at_least": low}, {"below": low + 1}, {"at_least": low, "below": low + 1}]))


def naive(condition: Any, value: Any) -> bool:
    """What docs/policy.md says of a condition."""
    if isinstance(condition, Mapping):
        if condition.get("known") is False:
            return value is None
        return (
            value is not None
            and ("at_least" not in condition or value >= condition["at_least"])
            and ("below" not in condition or value < condition["below"])
            and value not in condition.get("none_of", [])
        )
    return value is not None and value in (condition if isinstance(condition, list) else [condition])


@given(
    st.lists(st.dictionaries(*[st.nothing()] * 2) | st.lists(conditions(), min_size=1, max_size=3).map(dict)),
    situations,
)
def test_the_first_rule_that_holds_decides(whens: list[dict[str, Any]], situation: Situation) -> None:
    whens = [when for when in whens if when]
    rules = [
        {"name": f"r{at}", "when": when, "then": {"tone": TONES[at % 7], "template": "a"}}
        for at, when in enumerate(whens)
    ]
    text = HEAD + DEFAULT + yaml.safe_dump({"rules": rules})
    rule, outcome = parse_policy(text.encode(), {"a"}).choose(situation)
    holding = [
        at
        for at, when in enumerate(whens)
        if all(naive(condition, getattr(situation, fact)) for fact, condition in when.items())
    ]
    assert rule == (f"r{holding[0]}" if holding else "default")
    assert outcome.tone == (TONES[holding[0] % 7] if holding else "neutral")


@given(situation=situations, locale=st.sampled_from([None, "de", "de-AT", "ES_mx", "fr", "x"]))
def test_every_situation_gets_an_answer(situation: Situation, locale: str | None) -> None:
    answer = BUNDLE.answer(msgspec.structs.replace(situation, locale=locale), {})
    assert answer.tone in TONES and answer.next_action.id
    if answer.template.text is None:
        assert answer.ask and all(ask.question for ask in answer.ask)
    else:
        assert not answer.ask and "{" not in answer.template.text.replace("x{y}", "")


@pytest.mark.parametrize(
    ("situation", "template", "action"),
    [
        (Situation(), "first_hello", "answer"),
        (Situation(known=True), "general_help", "answer"),
        (Situation(known=True, repeats=3), "handover_to_agent", "hand_over"),
        (Situation(known=True, escalation_risk=0.7, frustration=0.5), "handover_to_agent", "hand_over"),
        (Situation(known=True, escalation_risk=0.69, frustration=0.5), "calm_help", "answer"),
        (Situation(known=True, open_tickets=1, sentiment="negative"), "ticket_apology", "open_ticket"),
        (Situation(known=True, segment="Champions", sentiment="negative"), "loyal_apology", "open_ticket"),
        (Situation(known=True, intent="talk_to_person", cart_abandoned=True), "handover_as_asked", "hand_over"),
        (Situation(known=True, intent="track_order"), "order_status", "look_up_order"),
        (Situation(known=True, cart_abandoned=True), "cart_reminder", "show_cart"),
        (Situation(known=True, purchase_propensity=0.6, segment="Champions"), "buying_help", "show_cart"),
        (Situation(known=True, segment="Champions"), "loyal_welcome", "answer"),
        (Situation(known=True, segment="Lost"), "welcome_back", "show_products"),
    ],
)
def test_the_rules_that_come_with_it(situation: Situation, template: str, action: str) -> None:
    answer = BUNDLE.answer(situation, {})
    assert (answer.template_id, answer.next_action.id) == (template, action)


def test_what_a_rule_leaves_out_is_the_defaults() -> None:
    text = (
        HEAD
        + "default: {tone: neutral, template: a, offer: gift, next_action: answer}\n"
        + OFFERS
        + "rules:\n"
        + "- {name: r, when: {known: true}, then: {tone: formal, template: a}}\n"
        + "- {name: s, when: {message: true}, then: {tone: formal, template: a, offer: null, next_action: end}}\n"
    )
    policy = parse_policy(text.encode(), {"a"})
    first, second = (policy.choose(Situation(known=known, message=True))[1] for known in (True, False))
    assert first.offer is not None and first.offer.values == {"percent": 10} and first.next_action.id == "answer"
    assert second.offer is None and second.next_action.id == "end"


def rule(when: str, then: str = "{tone: neutral, template: a}") -> str:
    return f"{HEAD}{DEFAULT}{OFFERS}rules:\n- name: r\n  when: {when}\n  then: {then}\n"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("rules: [", 1, "not valid YAML"),
        ("a: 1\na: 2", 2, "twice"),
        (HEAD + DEFAULT.replace("tone: neutral", "tone: angry") + "rules: []", 4, "'angry'"),
        (HEAD.replace("format: 1", "format: 2") + DEFAULT + "rules: []", 1, "2"),
        (HEAD.replace("t1", "'a b'") + DEFAULT + "rules: []", 2, "field version"),
        (HEAD + DEFAULT + "rules: 3", 5, "field rules"),
        (HEAD + "default: {tone: neutral, template: a}\nrules: []", 4, "next_action; declared: answer, end"),
        (HEAD + DEFAULT.replace("template: a", "template: b") + "rules: []", 4, "unknown template 'b'"),
        (
            HEAD + DEFAULT + "rules: []\nrulez: []",
            6,
            "unknown field 'rulez' (did you mean 'rules'?); allowed here: format",
        ),
        (rule("{}"), 8, "rule 'r': `when` is empty"),
        (rule("{segmnt: Lost}"), 8, "did you mean 'segment'"),
        (rule("{repeats: many}"), 8, "'many' is not a int"),
        (rule("{known: 1}"), 8, "1 is not a bool"),
        (rule("{segment: []}"), 8, "the list is empty"),
        (rule("{segment: {below: 1}}"), 8, "below are for numbers"),
        (rule("{repeats: {}}"), 8, "give at_least, below, none_of or known"),
        (rule("{repeats: {atleast: 1}}"), 8, "did you mean 'at_least'"),
        (rule("{repeats: {at_least: 2, below: 2}}"), 8, "leave nothing"),
        (rule("{repeats: {known: true}}"), 8, "always known"),
        (rule("{tier: {known: false, none_of: [gold]}}"), 8, "leaves nothing"),
        (rule("{known: true}", "{tone: neutral, template: a, offer: gft}"), 9, "did you mean 'gift'"),
        (rule("{known: true}", "{tone: neutral, template: a, next_action: stop}"), 9, "there are: answer, end"),
        (rule("{known: true}", "{tone: neutral, template_id: a}"), 9, "rule 'r', field rules[0].then"),
        (rule("{known: true}").replace("name: r", "name: default"), 7, "two rules"),
    ],
)
def test_a_wrong_policy_is_refused(text: str, line: int, said: str) -> None:
    with pytest.raises(PolicyError) as refused:
        parse_policy(text.encode(), {"a"}, where="policy.yaml")
    assert said in str(refused.value) and f"policy.yaml, line {line}" in str(refused.value), str(refused.value)


def test_bytes_that_are_no_policy() -> None:
    for data in (b"\xff", b"x" * (1 << 21), b"&a [*a]", b"[" * 5_000):
        with pytest.raises(PolicyError, match=r"policy\.yaml"):
            parse_policy(data, {"a"})
