"""What a message wants: declared intents, each with phrases per language, found in the normalized message.

A phrase is words that follow each other. `word*` is any word that begins so, `a|b` either, and `...` up to four words
of anything. Phrases of all languages are looked for, whatever the locale: people write in the language they like. The
intent whose phrases found the most words wins; of equals the one that is declared first.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from rapport.events.text import normalize
from rapport.policy.reading import Source, Version, read

__all__ = ["Intents", "IntentsFile", "parse_intents"]

_GAP = "..."
_GAP_WORDS = 4
_LEAST_PREFIX = 3


class _Closed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class _Intent(_Closed, frozen=True):
    id: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    description: Annotated[str, Meta(min_length=1, max_length=400)]
    phrases: Annotated[
        dict[
            Annotated[str, Meta(pattern=r"^[a-z]{2,3}$", description="A language, as `de`.")],
            Annotated[list[Annotated[str, Meta(min_length=1, max_length=200)]], Meta(min_length=1, max_length=1_000)],
        ],
        Meta(min_length=1),
    ]


class IntentsFile(_Closed, frozen=True):
    """What messages may want."""

    format: Literal[1]
    version: Annotated[str, Version]
    intents: Annotated[list[_Intent], Meta(max_length=500)]


@dataclass(frozen=True, slots=True)
class _Step:
    """One word of a phrase: any of `words`, or one that begins with any of `prefixes`; `gap`: not at once."""

    words: frozenset[str]
    prefixes: tuple[str, ...]
    gap: bool

    def fits(self, word: str) -> bool:
        return word in self.words or (self.prefixes != () and word.startswith(self.prefixes))


@dataclass(frozen=True, slots=True)
class _Phrase:
    intent: int
    steps: tuple[_Step, ...]

    def goes_on(self, words: Sequence[str], at: int, step: int = 1) -> bool:
        """Whether the words from `at` on are those of the phrase from a step on."""
        if step == len(self.steps):
            return True
        wanted = self.steps[step]
        last = at + _GAP_WORDS if wanted.gap else at
        for place in range(at, min(last + 1, len(words))):
            if wanted.fits(words[place]) and self.goes_on(words, place + 1, step + 1):
                return True
        return False


class Intents:
    """Checked intents, ready to be looked for.

    Attributes:
        version: the declared one.
        names: the intents, in the order in which they are declared.
    """

    def __init__(self, version: str, names: Sequence[str], phrases: Sequence[_Phrase]) -> None:
        self.version = version
        self.names = tuple(names)
        self._words: dict[str, list[_Phrase]] = defaultdict(list)
        self._beginnings: dict[str, list[_Phrase]] = defaultdict(list)
        for phrase in phrases:
            for word in phrase.steps[0].words:
                self._words[word].append(phrase)
            for prefix in {prefix[:_LEAST_PREFIX] for prefix in phrase.steps[0].prefixes}:
                self._beginnings[prefix].append(phrase)

    def of(self, query: str) -> str | None:
        """The intent of a message as `rapport.events.text.normalize` writes it; None when no phrase is in it."""
        found: dict[int, _Phrase] = {}
        words = query.split(" ")
        for at, word in enumerate(words, 1):
            for phrase in self._words.get(word, ()):
                if id(phrase) not in found and phrase.goes_on(words, at):
                    found[id(phrase)] = phrase
            for phrase in self._beginnings.get(word[:_LEAST_PREFIX], ()):
                begins = id(phrase) not in found and word.startswith(phrase.steps[0].prefixes)
                if begins and phrase.goes_on(words, at):
                    found[id(phrase)] = phrase
        if not found:
            return None
        strength: Counter[int] = Counter()
        for phrase in found.values():
            strength[phrase.intent] += len(phrase.steps)
        return self.names[min(strength, key=lambda intent: (-strength[intent], intent))]


def parse_intents(data: bytes, *, where: str = "intents.yaml") -> Intents:
    """The intents in a file's bytes.

    Raises:
        PolicyError: names the line, the intent, the phrase and what is allowed.
    """
    file, source = read(data, where, IntentsFile)
    phrases: list[_Phrase] = []
    names: list[str] = []
    for number, intent in enumerate(file.intents):
        if intent.id in names:
            raise source.error(f"two intents have the id {intent.id!r}", f".intents[{number}]")
        names.append(intent.id)
        for language, texts in intent.phrases.items():
            for at, text in enumerate(texts):
                path = f".intents[{number}].phrases.{language}[{at}]"
                phrases.append(_phrase(number, text, source, path, f"intent {intent.id!r}, phrase {text[:80]!r}"))
    return Intents(file.version, names, phrases)


def _phrase(intent: int, text: str, source: Source, path: str, about: str) -> _Phrase:
    steps: list[_Step] = []
    gap = False
    for part in text.split():
        if part == _GAP:
            gap = True
            continue
        words: set[str] = set()
        prefixes: set[str] = set()
        for option in part.split("|"):
            plain = normalize(option.removesuffix("*"))
            if not plain or " " in plain:
                raise source.error(
                    f"{option!r} is not one word; write words without punctuation, as a message has them when it is "
                    "normalized: `don t`",
                    path,
                    about=about,
                )
            if option.endswith("*") and len(plain) < _LEAST_PREFIX:
                raise source.error(f"{option!r} is too short; {_LEAST_PREFIX} letters before *", path, about=about)
            (prefixes if option.endswith("*") else words).add(plain)
        steps.append(_Step(frozenset(words), tuple(sorted(prefixes)), gap and bool(steps)))
        gap = False
    if not steps:
        raise source.error("the phrase has no words", path, about=about)
    return _Phrase(intent, tuple(steps))
