"""A frustration score from cues that can be read and argued with; no training, the same result everywhere."""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import pairwise
from types import MappingProxyType

from rapport.events.cues import ANGRY_EMOJI, PHRASES, WORDS

__all__ = ["WEIGHTS", "cues_of", "frustration"]

WEIGHTS = MappingProxyType(
    {
        "abuse": 0.30,
        "waiting": 0.22,
        "feeling": 0.20,
        "challenge": 0.18,
        "length": 0.18,
        "negation": 0.16,
        "failure": 0.14,
        "leaving": 0.12,
        "shouting": 0.08,
        "emoji": 0.08,
        "calm": -0.22,
    }
)
"""What a group of cues adds when it is strong. The n-th cue of a group adds half of what the one before did."""

_SENTIMENT_WEIGHT = 0.18
_BASE = 0.05
_STEEPNESS = 2.0
"""Spreads the scores over 0 to 1: a plain question is near 0.1, an outburst above 0.7."""
_LONG_WORDS = 20
"""A message of this many words counts as one cue of length: contented people are brief."""

_NOT_SAID = re.compile(r"https?://\S+|[@#](?=\w)|&amp;")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_EMPHASIS = re.compile(r"!{2,}|\?[?!]+")


def frustration(text: str, sentiment: float) -> float:
    """How frustrated a message sounds, 0 to 1.

    Args:
        text: what the customer wrote.
        sentiment: its sentiment, -1 to 1.
    """
    strength = _BASE - _SENTIMENT_WEIGHT * sentiment
    for group, amount in cues_of(text).items():
        strength += WEIGHTS[group] * (1 - 0.5**amount)
    return 1 - math.exp(-_STEEPNESS * strength) if strength > 0 else 0.0


def cues_of(text: str) -> dict[str, float]:
    """How many cues of each group a message has; groups without any are left out."""
    words = _WORD.findall(_NOT_SAID.sub(" ", text))
    plain = [word.casefold().replace("'", "").replace("’", "") for word in words]
    counts: Counter[str] = Counter(WORDS[word] for word in plain if word in WORDS)
    counts.update(PHRASES[pair] for pair in pairwise(plain) if pair in PHRASES)
    cues: dict[str, float] = dict(counts)
    cues["shouting"] = _shouted(words) + len(_EMPHASIS.findall(text))
    cues["emoji"] = sum(character in ANGRY_EMOJI for character in text)
    cues["length"] = len(words) / _LONG_WORDS
    return {group: amount for group, amount in cues.items() if amount}


def _shouted(words: list[str]) -> int:
    """Words in capitals; a message wholly in capitals, or an abbreviation, is not told apart."""
    return sum(len(word) > 2 and word.isupper() for word in words)
