"""Templates: typed placeholders in the customer's locale; what is missing is asked for, and values are only data."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from babel import Locale
from babel.dates import parse_date
from babel.numbers import parse_decimal
from hypothesis import given
from hypothesis import strategies as st

from rapport.decisions import Money, Situation
from rapport.errors import PolicyError
from rapport.policy import DEFAULT_FOLDER, load_bundle, parse_templates
from rapport.policy.values import KINDS, TEXT_LIMIT, Unusable, find_locale, slot_value, written

HEAD = "format: 1\nversion: t1\ndefault_locale: en\ntemplates:\n"
TEMPLATES = load_bundle(DEFAULT_FOLDER).templates
SAYS = "placeholders: {v: {type: %s, ask: {en: 'Which?', de: 'Welche?'}}}, text: {en: '<{v}>', de: '<{v}>'}"


def one(kind: str, slots: dict[str, Any], locale: str | None = None) -> tuple[str | None, list[Any]]:
    templates = parse_templates(f"{HEAD}- {{id: a, {SAYS % kind}}}\n".encode())
    text, asks = templates.render("a", locale, Situation(), slots)
    return text.text, asks


def test_there_are_templates_in_three_locales() -> None:
    assert len(TEMPLATES.by_id) >= 12
    assert {locale for template in TEMPLATES.by_id.values() for locale in template.texts} == {"en", "de", "es"}


def test_locale_and_defaults() -> None:
    def said(template: str, locale: str, situation: Situation) -> str:
        return TEMPLATES.render(template, locale, situation, {})[0].text or ""

    assert "8" * 79 + "…" in said("cart_reminder", "de_AT", Situation(cart_product="8" * 200))
    assert "Ihr Artikel" in said("cart_reminder", "DE", Situation())
    assert TEMPLATES.render("win_back", "es", Situation(), {})[0].locale == "en"


@pytest.mark.parametrize(
    ("kind", "slot", "locale", "text"),
    [
        ("text", "A-17", "en", "A-17"),
        ("text", 17, "de", "17"),
        ("integer", 1234567, "en", "1,234,567"),
        ("integer", "1234567", "de-CH", "1’234’567"),
        ("decimal", "1234.5", "de", "1.234,5"),
        ("percent", 0.15, "de", "15\xa0%"),
        ("money", Money(Decimal("1234.50"), "EUR"), "de-AT", "€\xa01.234,50"),
        ("money", Money(Decimal("1234.50"), "JPY"), "en", "¥1,234"),
        ("money", Money(Decimal("12.5"), "GBP"), "de", "12,50\xa0£"),
        ("date", "2026-12-24", "en", "December 24, 2026"),
        ("date", "2026-12-24", "de", "24. Dezember 2026"),
        ("time", "14:30", "de", "14:30"),
        ("datetime", "2026-12-24T14:30:00+01:00", "de", "24. Dezember 2026, 14:30"),
    ],
)
def test_values_read_as_people_of_the_locale_write_them(kind: str, slot: Any, locale: str, text: str) -> None:
    assert one(kind, {"v": slot}, locale) == (f"<{text}>", [])


@pytest.mark.parametrize(
    ("kind", "slot"),
    [
        ("text", None),
        ("text", " \u202e\x07"),
        ("text", True),
        ("integer", "many"),
        ("integer", 1.5),
        ("integer", True),
        ("decimal", "NaN"),
        ("decimal", "1e20"),
        ("decimal", 0.1234567),
        ("money", "12.50"),
        ("money", Money(Decimal("1"), "XXZ")),
        ("money", Money(Decimal("Infinity"), "EUR")),
        ("date", "24.12.2026"),
        ("date", 20_000),
        ("time", "24:00"),
        ("datetime", "2026-12-24T14:30:00"),
    ],
)
def test_what_is_missing_or_of_another_type_is_asked_for(kind: str, slot: Any) -> None:
    text, (ask,) = one(kind, {} if slot is None else {"v": slot, "other": 1}, "de")
    assert text is None
    assert (ask.name, ask.type, ask.question, ask.problem is None) == ("v", kind, "Welche?", slot is None)


def test_all_that_is_missing_is_asked_for_at_once() -> None:
    text = (
        HEAD + "- id: a\n  text: {en: '{x} {y} {z}'}\n  placeholders:\n"
        "    x: {type: integer, ask: {en: 'X?'}}\n    y: {type: text, ask: {en: 'Y?'}}\n"
        "    z: {type: date, ask: {en: 'Z?'}}\n"
    )
    found, asks = parse_templates(text.encode()).render("a", None, Situation(), {"y": "there"})
    assert found.text is None and [ask.name for ask in asks] == ["x", "z"]


def test_facts_fill_placeholders_by_their_units() -> None:
    text = (
        HEAD + "- id: a\n  text: {en: '{cart_micros} {last_order_day} {purchase_propensity} {n}'}\n  placeholders:\n"
        "    cart_micros: {type: money, currency: GBP, ask: {en: '?'}}\n"
        "    last_order_day: {type: date, default: {en: never}}\n"
        "    purchase_propensity: {type: percent, default: {en: '-'}}\n"
        "    n: {type: integer, fact: open_tickets}\n"
    )
    templates = parse_templates(text.encode())
    situation = Situation(cart_micros=12_340_000, last_order_day=20_000, purchase_propensity=0.25, open_tickets=2)
    assert templates.render("a", "en", situation, {})[0].text == "£12.34 October 4, 2024 25% 2"
    # a slot stands in for a fact that nobody knows, never for one that is known
    slots = {"cart_micros": Money(Decimal(1), "USD"), "n": 9}
    assert templates.render("a", "en", Situation(), slots)[0].text == "$1.00 never - 0"


@given(text=st.text(max_size=120), locale=st.sampled_from(["en", "de", "es"]))
def test_a_text_is_data_whatever_it_holds(text: str, locale: str) -> None:
    said, asks = one("text", {"v": text}, locale)
    if said is None:
        assert not "".join(filter(str.isprintable, text)).strip() and asks[0].problem
    else:
        inner = said[1:-1]
        assert inner.isprintable() and len(inner) <= TEXT_LIMIT
        assert inner == "".join(filter(str.isprintable, text)).strip() or inner.endswith("…")


numbers = st.decimals(-(10**9), 10**9, places=3, allow_nan=False, allow_infinity=False)


@given(value=numbers, locale=st.sampled_from(["en", "de", "de-CH", "es", "fr", "pt-br"]))
def test_numbers_are_read_back_as_they_were(value: Decimal, locale: str) -> None:
    style = find_locale(locale)
    assert style is not None
    decimal = written("decimal", slot_value("decimal", str(value)), style)
    assert parse_decimal(decimal, locale=style) == value
    whole = written("integer", slot_value("integer", int(value)), style)
    assert parse_decimal(whole, locale=style) == int(value)
    cents = round(value, 2) + 0
    money = written("money", slot_value("money", Money(cents, "EUR")), style)
    digits = "".join(character for character in money if character.isdigit() or character in "-.,’")
    assert parse_decimal(digits, locale=style) == cents


@given(day=st.dates(date(1970, 1, 1), date(2100, 1, 1)))
def test_dates_are_read_back_as_they_were(day: date) -> None:
    text = written("date", slot_value("date", day.isoformat()), Locale("en"))
    assert datetime.strptime(text, "%B %d, %Y").date() == day  # noqa: DTZ007 - a date has no zone
    assert parse_date(f"{day:%m/%d/%Y}", locale="en_US") == day


@given(moment=st.times(), kind=st.sampled_from(KINDS), junk=st.text(max_size=20) | st.floats() | st.integers())
def test_any_value_is_of_its_type_or_unusable(moment: time, kind: Any, junk: Any) -> None:
    for value in (junk, moment.isoformat(), None):
        try:
            found = slot_value(kind, value)
        except Unusable as why:
            assert str(why)
        else:
            for name in ("en", "de", "es"):
                style = find_locale(name)
                assert style is not None and written(kind, found, style)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- {id: a, text: {de: Hallo}}", "no text in the default locale 'en'"),
        ("- {id: a, text: {en: Hi}}\n- {id: a, text: {en: Ho}}", "two templates have the id 'a'"),
        ("- {id: a, text: {en: 'Hi {name}'}}", "differ in: name"),
        ("- {id: a, text: {en: 'Hi {'}}", "literal brace"),
        ("- {id: a, text: {en: 'Hi {repeats!r}'}, placeholders: {repeats: {type: integer}}}", "alone"),
        ("- {id: a, text: {en: 'Hi {who}'}, placeholders: {who: {type: text}}}", "only a slot fills it: give `ask`"),
        ("- {id: a, text: {en: 'Hi {n}'}, placeholders: {n: {type: text, fact: teir}}}", "did you mean 'tier'"),
        ("- {id: a, text: {en: 'Hi {repeats}'}, placeholders: {repeats: {type: text}}}", "can be shown as integer"),
        ("- {id: a, text: {en: 'Hi {known}'}, placeholders: {known: {type: text}}}", "it cannot be shown"),
        ("- {id: a, text: {en: 'Hi {tier}'}, placeholders: {tier: {type: text}}}", "the fact 'tier' may be unknown"),
        ("- {id: a, text: {en: '{tier}'}, placeholders: {tier: {type: text, ask: {de: x}}}}", "has: de"),
        ("- {id: a, text: {en: '{tier}'}, placeholders: {tier: {type: txt, ask: {en: x}}}}", "'txt'"),
        ("- {id: a, text: {en: '{cart_micros}'}, placeholders: {cart_micros: {type: money}}}", "`currency`"),
        ("- {id: a, text: {en: Hi, de_AT: Servus}}", "de_AT"),
        ("- {id: a, text: {en: Hi, xx: Hi}}", "unknown locale 'xx'"),
    ],
)
def test_wrong_templates_are_refused(text: str, said: str) -> None:
    with pytest.raises(PolicyError, match=r"templates\.yaml, line \d") as refused:
        parse_templates((HEAD + text).encode(), where="templates.yaml")
    assert said in str(refused.value)
