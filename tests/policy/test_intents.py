"""Intents: phrases found in a message, as a naive search finds them; and those that come with Rapport."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport.errors import PolicyError
from rapport.events.text import normalize
from rapport.policy import DEFAULT_FOLDER, load_bundle, parse_intents

HEAD = "format: 1\nversion: t1\nintents:\n"
INTENTS = load_bundle(DEFAULT_FOLDER).intents
WORDS = ["where", "wherever", "is", "my", "parcel", "order", "cancel", "back", "x"]


@pytest.mark.parametrize(
    ("message", "intent"),
    [
        ("Where is my parcel?!", "track_order"),
        ("Hi, WHERE'S my order 4711? It hasn't arrived.", "track_order"),
        ("Wo bleibt denn mein Paket?", "track_order"),
        ("¿Dónde está mi pedido?", "track_order"),
        ("I want to cancel my order", "cancel_order"),
        ("I want my money back", "refund"),
        ("Ich möchte mit einem Menschen sprechen", "talk_to_person"),
        ("How do I return the lamp?", "return_item"),
        ("hello", "greeting"),
        ("hello, where is my parcel", "track_order"),
        ("The moon is full", None),
        ("", None),
    ],
)
def test_the_intents_that_come_with_it(message: str, intent: str | None) -> None:
    assert INTENTS.of(normalize(message)) == intent


def pattern(phrase: list[str]) -> str:
    """The phrase as a regular expression over words that each end with a space."""
    found, gap = "(?:^|(?<= ))", ""
    for at, part in enumerate(phrase):
        if part == "...":
            gap = r"(?:\S+ ){0,4}"
            continue
        options = "|".join(option[:-1] + r"\S*" if option.endswith("*") else option for option in part.split("|"))
        found += (gap if at else "") + f"(?:{options}) "
        gap = ""
    return found


@given(
    phrase=st.lists(st.sampled_from([*WORDS, "whe*", "my|the", "ord*|parcel", "..."]), min_size=1, max_size=5),
    message=st.lists(st.sampled_from([*WORDS, "the"]), max_size=12),
)
def test_a_phrase_is_found_as_a_naive_search_finds_it(phrase: list[str], message: list[str]) -> None:
    steps = [part for at, part in enumerate(phrase) if part != "..." or (at and phrase[at - 1] != "...")]
    if not [part for part in steps if part != "..."] or steps[-1] == "...":
        return
    text = f"{HEAD}- {{id: a, description: A., phrases: {{en: ['{' '.join(steps)}']}}}}\n"
    found = parse_intents(text.encode()).of(" ".join(message))
    first = next(at for at, part in enumerate(steps) if part != "...")
    expected = re.search(pattern(steps[first:]), "".join(f"{word} " for word in message))
    assert (found == "a") == (expected is not None)


def test_most_words_win_and_then_the_first() -> None:
    text = (
        HEAD + "- {id: a, description: A., phrases: {en: [order]}}\n"
        "- {id: b, description: B., phrases: {en: [cancel order], de: [order]}}\n"
    )
    intents = parse_intents(text.encode())
    assert intents.of("cancel order") == "b"
    assert intents.of("order") == "a"


@pytest.mark.parametrize(
    ("phrase", "said"),
    [("don't", "is not one word"), ("...", "no words"), ("ab*", "too short"), ("!!!", "is not one word")],
)
def test_wrong_phrases_are_refused(phrase: str, said: str) -> None:
    text = f'{HEAD}- {{id: a, description: A., phrases: {{en: ["{phrase}"]}}}}\n'
    with pytest.raises(PolicyError, match=r"intents\.yaml, line 4, intent 'a', phrase") as refused:
        parse_intents(text.encode())
    assert said in str(refused.value)
