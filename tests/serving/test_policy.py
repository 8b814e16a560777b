"""The policy and its templates: the first rule that holds decides, and a wrong file is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentos.answering import load_answering
from bentos.policy import TONES, load_policy, parse_policy
from bentos.templates import load_templates, parse_templates
from rapport.decisions import FACTS, Situation
from rapport.errors import PolicyError

FOLDER = Path(__file__).parents[2] / "bentos"
ANSWERING = load_answering(FOLDER)
HEAD = "version: 1\ndefault: {tone: neutral, template_id: a}\n"
TEMPLATES = "version: 1\ndefault_locale: en\ntemplates:\n"

_facts = {
    bool: st.booleans(),
    str: st.sampled_from(["negative", "neutral", "positive", "Champions", "Lost", "web", "x{y}\n"]),
    float: st.floats(0, 1),
    int: st.integers(0, 9),
}
_never_none = {name for name in FACTS if getattr(Situation(), name) is not None}
situations = st.fixed_dictionaries(
    {name: _facts[kind] if name in _never_none else _facts[kind] | st.none() for name, kind in FACTS.items()}
).map(lambda values: Situation(**values))


@given(situation=situations, locale=st.sampled_from([None, "de", "de-AT", "ES_mx", "fr", "x"]))
def test_every_situation_gets_an_answer(situation: Situation, locale: str | None) -> None:
    answer = ANSWERING.answer(situation, locale)
    assert answer.tone in TONES
    assert answer.template.text and "{" not in answer.template.text.replace("x{y}", "")


def test_there_are_templates_in_three_locales() -> None:
    templates = load_templates(FOLDER / "templates.yaml").by_id.values()
    assert len(templates) >= 12
    assert {locale for template in templates for locale in template.text} == {"en", "de", "es"}
    assert load_policy(FOLDER / "policy.yaml", {template.id for template in templates}).rules


@pytest.mark.parametrize(
    ("situation", "template"),
    [
        (Situation(), "first_hello"),
        (Situation(known=True), "general_help"),
        (Situation(known=True, repeats=3), "handover_to_agent"),
        (Situation(known=True, escalation_risk=0.7, frustration=0.5), "handover_to_agent"),
        (Situation(known=True, escalation_risk=0.69, frustration=0.5), "calm_help"),
        (Situation(known=True, open_tickets=1, sentiment="negative"), "ticket_apology"),
        (Situation(known=True, segment="Champions", sentiment="negative"), "loyal_apology"),
        (Situation(known=True, cart_abandoned=True), "cart_reminder"),
        (Situation(known=True, purchase_propensity=0.6, segment="Champions"), "buying_help"),
        (Situation(known=True, segment="Champions"), "loyal_welcome"),
        (Situation(known=True, segment="Lost"), "welcome_back"),
    ],
)
def test_the_rules_that_come_with_it(situation: Situation, template: str) -> None:
    assert ANSWERING.answer(situation, None).template_id == template


def test_locale_and_placeholders() -> None:
    templates = load_templates(FOLDER / "templates.yaml")
    known, unknown = Situation(cart_product="8" * 200), Situation()
    assert "8" * 79 + "…" in templates.render("cart_reminder", "de_AT", known).text
    assert "Ihr Artikel" in templates.render("cart_reminder", "DE", unknown).text
    assert templates.render("win_back", "es", unknown).locale == "en"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules: [", "while parsing"),
        ("version: 2\ndefault: {tone: neutral, template_id: a}\nrules: []", "version 2"),
        (HEAD + "rules: 3", "$.rules"),
        ("version: 1\ndefault: {tone: angry, template_id: a}\nrules: []", "unknown tone 'angry'; allowed: neutral"),
        ("version: 1\ndefault: {tone: neutral, template_id: b}\nrules: []", "unknown template 'b'"),
        (HEAD + "rules: [{name: r, when: {}, then: {tone: neutral, template_id: a}}]", "`when` is empty"),
        (
            HEAD + "rules: [{name: r, when: {segmnt: Lost}, then: {tone: neutral, template_id: a}}]",
            "did you mean 'segment'",
        ),
        (
            HEAD + "rules: [{name: r, when: {repeats: many}, then: {tone: neutral, template_id: a}}]",
            "'many' is not a int",
        ),
        (HEAD + "rules: [{name: r, when: {known: 1}, then: {tone: neutral, template_id: a}}]", "1 is not a bool"),
        (
            HEAD + "rules: [{name: r, when: {segment: {below: 1}}, then: {tone: neutral, template_id: a}}]",
            "limits are for",
        ),
        (HEAD + "rules: [{name: r, when: {repeats: {}}, then: {tone: neutral, template_id: a}}]", "at_least"),
        (
            HEAD
            + "rules: [{name: r, when: {repeats: {at_least: 2, below: 2}}, then: {tone: neutral, template_id: a}}]",
            "leave nothing",
        ),
        (HEAD + "rules: [{name: default, when: {known: true}, then: {tone: neutral, template_id: a}}]", "two rules"),
    ],
)
def test_a_wrong_policy_is_refused(text: str, said: str) -> None:
    with pytest.raises(PolicyError) as refused:
        parse_policy(text, {"a"}, where="policy.yaml")
    assert said in str(refused.value) and "policy.yaml" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- {id: a, text: {de: Hallo}}", "no text in the default locale 'en'"),
        ("- {id: a, text: {en: Hi}}\n- {id: a, text: {en: Ho}}", "two templates have the id 'a'"),
        ("- {id: a, text: {en: 'Hi {name}'}}", "differ in: name"),
        ("- {id: a, text: {en: 'Hi {'}}", "literal brace"),
        ("- {id: a, text: {en: 'Hi {repeats!r}'}, placeholders: {repeats: {type: integer}}}", "alone"),
        ("- {id: a, text: {en: 'Hi {who}'}, placeholders: {who: {type: text}}}", "not a fact"),
        ("- {id: a, text: {en: 'Hi {repeats}'}, placeholders: {repeats: {type: text}}}", "use integer"),
        ("- {id: a, text: {en: 'Hi {tier}'}, placeholders: {tier: {type: text}}}", "give the placeholder a `default`"),
        ("- {id: a, text: {en: Hi, de_AT: Servus}}", "lower case"),
    ],
)
def test_wrong_templates_are_refused(text: str, said: str) -> None:
    with pytest.raises(PolicyError, match=r"templates\.yaml") as refused:
        parse_templates(TEMPLATES + text, where="templates.yaml")
    assert said in str(refused.value)


def test_without_its_files_the_answer_is_neutral(tmp_path: Path) -> None:
    answering = load_answering(tmp_path)
    assert answering.problem and "templates.yaml" in answering.problem
    answer = answering.answer(Situation(repeats=9), "es")
    assert (answer.tone, answer.template_id, answer.template.locale) == ("neutral", "neutral_help", "es")
