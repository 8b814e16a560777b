"""How customers write: sentences by topic and temper, repetition, capitals, typing errors."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from rapport.simulate.phrases import Temper, Topic, load_phrases

__all__ = ["temper_of", "thanks", "write_message"]


def temper_of(frustration: float) -> Temper:
    """The temper that a frustration, 0 to 1, is written in."""
    if frustration < 0.35:
        return "calm"
    return "annoyed" if frustration < 0.65 else "angry"


def write_message(
    random: Random, topic: Topic, frustration: float, slots: Mapping[str, str], previous: str, typos: float
) -> str:
    """A customer's message.

    Args:
        frustration: 0 to 1; blurred a little, for people differ in how they show it.
        slots: values of the sentences' slots.
        previous: the message before in this conversation, "" for the first; the impatient repeat themselves.
        typos: share of words that are written wrongly.
    """
    temper = temper_of(frustration + random.gauss(0, 0.07))
    phrases = load_phrases()
    if previous and random.random() < 0.12 + 0.4 * frustration:
        text = previous if random.random() < 0.6 else f"{random.choice(phrases.again)} {previous}"
    else:
        text = random.choice(phrases.topics[topic][temper]).format_map(slots)
        if not previous and random.random() < 0.45 and not text.lower().startswith(("hi", "hello")):
            text = f"{random.choice(phrases.openings)} {text}"
        text = _with_ending(random, text, temper)
    if temper == "angry" and random.random() < 0.25:
        text = text.upper()
    return _mistyped(random, text, typos)[:4_000]


def thanks(random: Random, typos: float) -> str:
    """The last word of a customer who got help."""
    return _mistyped(random, random.choice(load_phrases().thanks), typos)


def _with_ending(random: Random, text: str, temper: Temper) -> str:
    phrases = load_phrases()
    if temper == "calm" and random.random() < 0.3:
        return f"{text} {random.choice(phrases.calm_endings)}"
    if temper == "annoyed" and random.random() < 0.4:
        return f"{text} {random.choice(phrases.annoyed_endings)}"
    if temper == "angry" and random.random() < 0.6:
        text = f"{text} {random.choice(phrases.angry_endings)}"
        return text + "!" * random.choice((0, 0, 1, 2))
    return text


def _mistyped(random: Random, text: str, typos: float) -> str:
    if not typos:
        return text
    return " ".join(_typo(random, word) if random.random() < typos else word for word in text.split(" "))


def _typo(random: Random, word: str) -> str:
    """Two letters swapped, one doubled, or one lost."""
    if len(word) < 4 or not word.isalpha():
        return word
    at = random.randrange(1, len(word) - 1)
    kind = random.randrange(3)
    if kind == 0:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return word[:at] + word[at] * 2 + word[at + 1 :] if kind == 1 else word[:at] + word[at + 1 :]
