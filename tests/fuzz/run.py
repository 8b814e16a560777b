"""Hostile events through every decoder: whatever they are, an event or its refusal comes out."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from rapport.errors import EventError, RegistryUnavailable
from rapport.events.codec import decode_rows, encode_row
from rapport.events.decode import decode_many
from rapport.events.derive import row_of
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
        for outcome in decode_many(topic, values, formats):
            result.outcomes[f"{name}: {_fate(topic, outcome)}"] += 1
    except RegistryUnavailable:
        _one_by_one(result, name, topic, values, formats)
    except Exception as error:  # what the run looks for
        result.crashes.append(f"{name} {topic}: {type(error).__name__} {error}"[:300])


def _one_by_one(result: Result, name: str, topic: str, values: list[bytes], formats: Formats) -> None:
    """One of them has the id of no schema, and the registry is down: the others are looked at apart from it."""
    for value in values:
        try:
            result.outcomes[f"{name}: {_fate(topic, decode_many(topic, [value], formats)[0])}"] += 1
        except RegistryUnavailable:
            result.outcomes[f"{name}: waits"] += 1
        except Exception as error:  # what the run looks for
            result.crashes.append(f"{name} {topic} {value!r:.200}: {type(error).__name__} {error}"[:500])


def _fate(topic: str, outcome: object) -> str:
    """The reason of a refusal; an accepted event has to become a row that goes over the wire unchanged."""
    if isinstance(outcome, EventError):
        assert len(outcome.detail) < 400, outcome.detail
        return outcome.reason
    try:
        row = row_of(topic, outcome, _ARRIVAL_US)  # type: ignore[arg-type]
    except EventError as error:
        return error.reason
    assert decode_rows(topic, [encode_row(row)]) == [row]
    return "accepted"
