"""Signals of a message: determinism, bounds, normalization, what raises frustration and what does not."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from rapport.events.cues import GROUPS
from rapport.events.frustration import cues_of, in_conversation
from rapport.events.text import MAX_QUERY, analyse, normalize, seen_of, sentiment_of


@given(st.text(max_size=4_000))
def test_signals_of_any_text_are_bounded_and_repeatable(text: str) -> None:
    signals = analyse.__wrapped__(text)
    assert signals == analyse.__wrapped__(text)
    assert -1 <= signals.sentiment <= 1 and 0 <= signals.frustration <= 1
    assert signals.negative == (signals.label == "negative") and len(signals.query) <= MAX_QUERY


@given(st.text(max_size=300))
def test_a_query_is_a_fixed_form(text: str) -> None:
    query = normalize(text)
    assert query == query.strip() and "  " not in query
    assert normalize(text.replace(" ", "  ")) == query or len(text) > 200
    assert unicodedata.is_normalized("NFKC", query)


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("Where's my   ORDER?!", "where s my order"),
        ("ＷＨＥＲＥ is my order", "where is my order"),
        ("Straße 12,5", "strasse 12 5"),
        ("order #4711", "order 4711"),
        ("  \t\n", ""),
        ("?!…", ""),
        ("日本語。", "日本語"),
    ],
)
def test_queries(text: str, query: str) -> None:
    assert normalize(text) == query


def test_labels_and_order_of_frustration() -> None:
    outburst = analyse("This is RIDICULOUS!!! I have been waiting 3 weeks, still nothing. Cancel it.")
    plain, happy = analyse("Where is my order"), analyse("Thank you so much, you are great")
    assert (outburst.label, plain.label, happy.label) == ("negative", "neutral", "positive")
    assert outburst.frustration > 0.7 > 0.3 > plain.frustration > happy.frustration < 0.05


def test_what_says_nothing_of_the_writer_is_not_frustrated() -> None:
    for text in ("hello", "12345", "?!", "日本語。", "Wo ist mein Paket?", "@shop https://t.co/no"):
        assert analyse(text).frustration < 0.3, text


def test_earlier_messages_count() -> None:
    scores = [in_conversation(0.4, earlier) for earlier in (0.0, 0.3, 0.6, 1.0)]
    assert scores == sorted(scores) and scores[0] < in_conversation(0.4, None) < scores[-1]


@given(st.floats(0, 1), st.none() | st.floats(0, 1))
def test_a_score_within_a_conversation_is_bounded_and_rises_with_the_message(own: float, earlier: float | None) -> None:
    score = in_conversation(own, earlier)
    assert 0 <= score <= 1 and in_conversation(own / 2, earlier) <= score


def test_cues_can_be_read() -> None:
    cues = cues_of("WHY is it still not working?! Never again. @shop https://t.co/no 😡")
    assert cues == {"negation": 0.75, "question": 0.5, "repetition": 0.75, "kind": 0.5}
    assert cues.keys() <= set(GROUPS)


def test_links_and_names_after_an_at_do_not_count() -> None:
    assert seen_of("it broke https://shop.example/thanks @thanks").buckets == seen_of("it broke").buckets


@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=300))
def test_texts_that_no_encoding_has_get_signals_too(text: str) -> None:
    assert 0 <= analyse.__wrapped__(text).frustration <= 1


WORDS_OF_VADER = st.sampled_from(["great", "not", "BAD!", ":)", "kind", "of", "but", "the", "x", "(", "😡", "…", "Σ"])


@given(st.lists(WORDS_OF_VADER | st.text(max_size=6), max_size=12).map(" ".join))
def test_sentiment_is_vaders(text: str) -> None:
    assert sentiment_of(text) == SentimentIntensityAnalyzer().polarity_scores(text.replace("’", "'"))["compound"]


@pytest.mark.parametrize("text", ["no! " * 1_000, "😡" * 4_000, "a " * 2_000, "ﷺ" * 4_000, "x" * 4_000])
def test_of_a_long_message_the_beginning_and_the_end_are_looked_at(text: str) -> None:
    assert analyse.__wrapped__(text)[:4] == analyse.__wrapped__(text[:400] + "qqq " * 500 + text[-400:])[:4]
    assert len(seen_of(text).buckets) < 3 * 256
