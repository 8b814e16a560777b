"""Hostile events through every decoder: whatever they are, an event or its refusal comes out."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from rapport.errors import EventError, RegistryUnavailable
from rapport.events.block import encode_blocks, joined, read_blocks
from rapport.events.decode import decode_many
from rapport.events.derive import derive
from rapport.events.formats import Formats
from tests.fuzz.given import given
from tests.fuzz.mutate import mutate

__all__ = ["Result", "fuzz"]

_AT_ONCE = 200
_ARRIVAL_US = 1_740_900_000_000_000


@dataclass
class Result:
    """What came of a run; a crash is whatever came out that is neither an event nor a refusal."""

    events: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    crashes: list[str] = field(default_factory=list)


def fuzz(events: int, seed: int) -> Result:
    """Decode this many hostile events, spread over all topics and formats; the same for the same seed."""
    rng, result = random.Random(seed), Result()
    with TemporaryDirectory() as folder:
        formats, by_kind = given(Path(folder), seed)
        everything = [value for values in by_kind.values() for value in values]
        kinds = list(by_kind)
        while result.events < events:
            name, topic = kinds[rng.randrange(len(kinds))]
            count = min(_AT_ONCE, events - result.events)
            values = [mutate(rng, rng.choice(by_kind[name, topic]), everything) for _ in range(count)]
            result.events += count
            _judge(result, name, topic, values, formats)
    return result


def _judge(result: Result, name: str, topic: str, values: list[bytes], formats: Formats) -> None:
    try:
        known = [value for value in values if not _waits(topic, value, formats)]
        result.outcomes[f"{name}: waits"] += len(values) - len(known)
        result.outcomes.update(f"{name}: {fate}" for fate in _fates(topic, known, formats))
    except Exception as error:  # what the run looks for
        result.crashes.append(f"{name} {topic} {values[0]!r:.100}: {type(error).__name__} {error}"[:500])


def _waits(topic: str, value: bytes, formats: Formats) -> bool:
    """Whether the value has the id of no schema that is known, while the registry is down."""
    try:
        decode_many(topic, [value], formats)
    except RegistryUnavailable:
        return True
    return False


def _fates(topic: str, values: list[bytes], formats: Formats) -> list[str]:
    """The reasons of refusals; the accepted events have to become rows that go over the wire unchanged."""
    events, fates = [], []
    for outcome in decode_many(topic, values, formats):
        if isinstance(outcome, EventError):
            assert len(outcome.detail) < 400, outcome.detail
            fates.append(outcome.reason)
        else:
            events.append(outcome)
    rows, refused = derive(topic, events, [_ARRIVAL_US] * len(events))
    blocks = [block for block, _ in encode_blocks(topic, rows)]
    assert joined(topic, read_blocks(topic, blocks)).equals(rows) and len(rows) + len(refused) == len(events)
    return fates + [error.reason for error in refused.values()] + ["accepted"] * len(rows)
