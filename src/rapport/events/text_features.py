"""What a frustration model sees of a message: a few figures that can be read, and hashed words.

Links and names after `@` are left out: they say where a message was written, not how its writer feels. Words are kept
as buckets of a hash, so that a model's file holds no text of the messages that it was made from.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32

from rapport.events.cues import GROUPS, WORDS

__all__ = ["BUCKETS", "FIGURES", "Seen", "look_at"]

BUCKETS = 1 << 15
"""How many buckets words are hashed to."""
FIGURES: tuple[str, ...] = (
    "sentiment",
    "words",
    "characters",
    "exclamations",
    "questions",
    "dots",
    "shouting",
    "capitals",
    "digits",
    *GROUPS,
)
"""The names of a message's figures. Of a class of words, 1 - 0.5^n for n of its words."""

_MOST_TOKENS = 256
_STEM = 4
"""Characters of a longer word that count as a word of their own, so that its other forms are known."""
_LEFT_OUT = re.compile(r"https?://\S+|@\w+|&\w+;")
_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[^\w\s]")
_ONE_DIGIT = str.maketrans("123456789", "0" * 9)
"""All numbers of a length are one word: an order's number says nothing."""
_SATURATED = tuple(1 - 0.5**n for n in range(_MOST_TOKENS + 1))


class Seen(NamedTuple):
    """What is seen of one message.

    Attributes:
        figures: as FIGURES names them.
        buckets: the bucket of each word, pair of neighbours and stem, 0 to BUCKETS - 1.
    """

    figures: list[float]
    buckets: set[int]


def look_at(text: str, sentiment: float) -> Seen:
    """The features of a message.

    Args:
        text: what the customer wrote.
        sentiment: its sentiment, -1 to 1.
    """
    said = text.translate(_ONE_DIGIT)
    if "@" in said or "&" in said or "http" in said:
        said = _LEFT_OUT.sub(" ", said)
    counts = [0] * len(GROUPS)
    spoken = shouted = capitals = previous = 0
    buckets: list[int] = []
    for token in _TOKEN.findall(said)[:_MOST_TOKENS]:
        key, own, groups, word, loud, large = _word(token)
        if buckets:
            buckets.append((previous * 31 + key) % BUCKETS)
        previous = key
        buckets += own
        for group in groups:
            counts[group] += 1
        spoken += word
        shouted += loud
        capitals += large
    figures = [
        sentiment,
        math.log1p(spoken),
        math.log1p(len(said)),
        min(said.count("!"), 4),
        min(said.count("?"), 3),
        float("..." in said or "…" in said),
        float(shouted),
        capitals / (len(said) + 1),
        float("0" in said),
    ]
    figures += [_SATURATED[count] for count in counts]
    return Seen(figures, set(buckets))


class _Word(NamedTuple):
    key: int
    buckets: tuple[int, ...]
    groups: tuple[int, ...]
    spoken: int
    shouted: int
    capitals: int


@lru_cache(maxsize=1 << 14)
def _word(token: str) -> _Word:
    plain = token.lower().replace("'", "").replace("’", "")
    spoken, key = token[0].isalnum(), _hash(plain)
    buckets = [key % BUCKETS]
    if spoken and len(plain) > _STEM:
        buckets.append(_hash(f"{plain[:_STEM]}*") % BUCKETS)
    shouted = spoken and len(token) > 2 and token.isupper()
    return _Word(key, tuple(buckets), WORDS.get(plain, ()), int(spoken), int(shouted), sum(map(str.isupper, token)))


def _hash(word: str) -> int:
    # A lone surrogate has no UTF-8, and must not stop a message.
    return crc32(word.encode("utf-8", "surrogatepass"))
