"""What a customer's message says of its writer: sentiment, frustration, and the query in a form that shows repeats."""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any, Literal, NamedTuple, TypeAlias

from rapport.events.frustration import frustration
from rapport.events.text_features import Seen, look_at

__all__ = ["MAX_QUERY", "Label", "TextSignals", "analyse", "normalize", "seen_of", "sentiment_of"]

Label: TypeAlias = Literal["positive", "neutral", "negative"]

MAX_QUERY = 256
"""Longest normalized query, characters."""

_LABEL_FROM = 0.05
"""VADER's own threshold: from 0.05 positive, to -0.05 negative."""
_LOOKED_AT = 400
"""Characters of the beginning, and as many of the end, that are looked at; keeps a call under a millisecond."""
_NOT_QUERY = re.compile(r"[\W_]+")


class TextSignals(NamedTuple):
    """Signals of one message.

    Attributes:
        sentiment: VADER's compound score, -1 to 1.
        label: the sentiment in words.
        negative: the label is negative.
        frustration: 0 to 1, of the message by itself; rapport.events.frustration.in_conversation adds the earlier ones.
        query: the message normalized, at most MAX_QUERY characters; "" when nothing but punctuation is left.
    """

    sentiment: float
    label: Label
    negative: bool
    frustration: float
    query: str


@lru_cache(maxsize=1024)
def analyse(text: str) -> TextSignals:
    """The signals of a message. Deterministic; for English (docs/text-signals.md says what others give)."""
    seen = _looked_at(text)
    sentiment = _vader(seen)
    label: Label = "neutral"
    if abs(sentiment) >= _LABEL_FROM:
        label = "positive" if sentiment > 0 else "negative"
    return TextSignals(sentiment, label, label == "negative", round(frustration(seen, sentiment), 6), normalize(text))


def sentiment_of(text: str) -> float:
    """The sentiment of a message, -1 to 1."""
    return _vader(_looked_at(text))


def seen_of(text: str) -> Seen:
    """What the frustration model sees of a message."""
    seen = _looked_at(text)
    return look_at(seen, _vader(seen))


def _looked_at(text: str) -> str:
    return text if len(text) <= 2 * _LOOKED_AT else f"{text[:_LOOKED_AT]} {text[-_LOOKED_AT:]}"


def _vader(text: str) -> float:
    # Plain quotation marks, for VADER's lexicon and negations have no others.
    plain = text.replace("’", "'")
    analyzer = _analyzer()
    if _says_nothing(plain, analyzer.lexicon, analyzer.emojis):
        return 0.0
    return float(analyzer.polarity_scores(plain)["compound"])


def _says_nothing(text: str, lexicon: Mapping[str, float], emojis: Mapping[str, str]) -> bool:
    """Whether VADER finds nothing to score: no word, emoticon or emoji of its lexicon. It is spared much work so."""
    if not text.isascii() and not emojis.keys().isdisjoint(text):
        return False
    words = text.lower().split()
    return lexicon.keys().isdisjoint(words) and lexicon.keys().isdisjoint(
        [word.strip(string.punctuation) for word in words]
    )


def normalize(text: str) -> str:
    """Text as a query: NFKC, case folded, punctuation and white space collapsed to one space, digits kept."""
    if text.isascii():  # its own normal form
        return _NOT_QUERY.sub(" ", text[: 2 * MAX_QUERY].lower()).strip()[:MAX_QUERY].rstrip()
    # Case folding can undo the normal form, and compatibility forms can need folding again.
    folded = unicodedata.normalize(
        "NFKC", unicodedata.normalize("NFKC", text[: 2 * MAX_QUERY])[: 4 * MAX_QUERY].casefold()
    )
    return _NOT_QUERY.sub(" ", folded).strip()[:MAX_QUERY].rstrip()


@cache
def _analyzer() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()
