"""Signals of a message: determinism, bounds, normalization, and agreement with people who rated such messages."""

from __future__ import annotations

import re
import time
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr

from rapport.events.frustration import WEIGHTS, cues_of
from rapport.events.text import MAX_QUERY, analyse, normalize

RATED = Path(__file__).parents[3] / "shared" / "data" / "support_frustration" / "dialogues.txt"


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
    assert outburst.frustration > 0.7 > 0.3 > plain.frustration > happy.frustration == 0


def test_cues_can_be_read() -> None:
    cues = cues_of("WHY is it still not working?! Never again. @shop https://t.co/no 😡")
    expected = {"challenge": 1, "waiting": 2, "negation": 2, "failure": 1, "leaving": 1, "shouting": 2, "emoji": 1}
    assert {name: amount for name, amount in cues.items() if name != "length"} == expected
    assert cues.keys() <= WEIGHTS.keys()


@pytest.mark.parametrize("text", ["no! " * 1_000, "😡" * 4_000, "a " * 2_000, "ﷺ" * 4_000, "x" * 4_000])
def test_long_messages_take_bounded_time(text: str) -> None:
    best = min(_seconds(text) for _ in range(5))
    assert best < 0.005, "about a millisecond at most when the machine is idle"


def _seconds(text: str) -> float:
    start = time.perf_counter()
    analyse.__wrapped__(text)
    return time.perf_counter() - start


def test_agreement_with_raters() -> None:
    if not RATED.is_file():
        pytest.skip(f"the rated dialogues are not at {RATED}")
    texts, ranks = rated_turns(RATED.read_text())
    ours = spearmanr([analyse(text).frustration for text in texts], ranks)[0]
    sentiment_alone = spearmanr([-analyse(text).sentiment for text in texts], ranks)[0]
    assert len(texts) == 600 and sentiment_alone < 0.45
    assert ours > 0.64, f"Spearman {ours:.3f}; sentiment alone {sentiment_alone:.3f}"


def rated_turns(dialogues: str) -> tuple[list[str], list[float]]:
    """Customer turns with at least one rating, and each one's mean rank over its raters (they use different scales)."""
    found = re.findall(r"^USER:\s*(.*?)\s*\{([^}]*)\}\s*$", dialogues, re.MULTILINE)
    marks = np.array([[float(x) if x.strip().isdigit() else np.nan for x in slots.split(",")] for _, slots in found])
    ranks = np.full_like(marks, np.nan)
    for rater in range(marks.shape[1]):
        given = ~np.isnan(marks[:, rater])
        ranks[given, rater] = rankdata(marks[given, rater]) / given.sum()
    kept = ~np.isnan(ranks).all(axis=1)
    texts = [text for (text, _), keep in zip(found, kept, strict=True) if keep]
    return texts, np.nanmean(ranks[kept], axis=1).tolist()
