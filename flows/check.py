"""What ingest does with a batch of raw records, as a function: rows for the good ones, dead letters for the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from rapport.bus.protocol import Message, RecordBatch
from rapport.dead_letters import letter_message
from rapport.errors import EventError
from rapport.events.codec import CHECKED_SUFFIX, encode_row
from rapport.events.decode import Registered, decode_many
from rapport.events.derive import Row, row_of
from rapport.events.schema import Event

__all__ = ["CHECKED_SUFFIX", "Checked", "Claim", "check"]

_ACCEPTED = "accepted"

Claim: TypeAlias = Callable[[str, int, Sequence[str], Sequence[str], Sequence[int]], list[bool]]
"""(topic, partition, event ids, the place of each, and its arrival in microseconds) to whether the id belongs to that
place: False for an id that another place claimed whose record arrived minutes before. Ids of one call are claimed in
order."""


class Checked(NamedTuple):
    """What came of a batch.

    Attributes:
        outputs: for each record, in order, a checked row or a dead letter.
        counts: what to add to the durable counters.
    """

    outputs: list[Message]
    counts: dict[str, int]


def check(
    batch: RecordBatch, world_us: Callable[[int], int], claim: Claim, formats: Registered | None = None
) -> Checked:
    """Check, clamp and derive a batch's events, and set repeated ones apart.

    Args:
        batch: raw records of one event topic.
        world_us: the world's time at a system time, microseconds.
        claim: says which events were seen before.
        formats: decodes events of registered schemas.

    Raises:
        RegistryUnavailable: a schema is not known yet; the whole batch has to wait for it.
    """
    events = decode_many(batch.topic, batch.values, formats)
    results = [_row(batch, i, event, world_us) for i, event in enumerate(events)]
    results = _without_repeats(batch, results, claim)
    outputs: list[Message] = []
    fates: list[str] = []
    checked_topic = batch.topic + CHECKED_SUFFIX
    for i, (result, origin) in enumerate(zip(results, batch.origins, strict=True)):
        if isinstance(result, EventError):
            outputs.append(letter_message(batch, i, result))
            fates.append(result.reason)
        else:
            outputs.append(Message(checked_topic, str(result[1]), encode_row(result), origin))
            fates.append(_ACCEPTED)
    return Checked(outputs, _counts(batch, fates))


def _counts(batch: RecordBatch, fates: list[str]) -> dict[str, int]:
    """What to add to the counters; a fate is _ACCEPTED or the reason of a refusal."""
    counts: Counter[str] = Counter()
    for (fate, origin), n in Counter(zip(fates, batch.origins, strict=True)).items():
        counts[f"accepted:{batch.topic}" if fate == _ACCEPTED else f"dead:{fate}"] += n
        if origin:
            counts[f"origin:{origin}:" + (_ACCEPTED if fate == _ACCEPTED else f"dead:{fate}")] += n
    return dict(counts)


def _row(batch: RecordBatch, i: int, event: Event | EventError, world_us: Callable[[int], int]) -> Row | EventError:
    if isinstance(event, EventError):
        return event
    try:
        return row_of(batch.topic, event, world_us(batch.arrivals_us[i]))
    except EventError as error:
        return error


def _without_repeats(batch: RecordBatch, results: list[Row | EventError], claim: Claim) -> list[Row | EventError]:
    """The results, rows of events that were seen before replaced by their refusal."""
    good = [i for i, result in enumerate(results) if not isinstance(result, EventError)]
    if not good:
        return results
    places = [f"{batch.partition}:{batch.positions[i].hi}-{batch.positions[i].lo}" for i in good]
    ids = [str(results[i][0]) for i in good]  # type: ignore[index]
    arrivals_us = [batch.arrivals_us[i] for i in good]
    owned = claim(batch.topic, batch.partition, ids, places, arrivals_us)
    for i, event_id, own in zip(good, ids, owned, strict=True):
        if not own:
            results[i] = EventError("duplicate", "event_id", f"{event_id!r} came before, within the last 10 minutes")
    return results
