"""What ingest does with a batch of raw records, as a function: blocks of the good ones, dead letters for the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rapport.bus.keys import partition_of
from rapport.bus.protocol import Message, Position, RecordBatch
from rapport.dead_letters import letter_message
from rapport.errors import EventError
from rapport.events.block import CHECKED_SUFFIX, encode_blocks
from rapport.events.decode import Registered, decode_many
from rapport.events.derive import derive
from rapport.events.schema import Event

__all__ = ["Checked", "Claim", "check"]

Claim: TypeAlias = Callable[
    [str, int, Sequence[str], Sequence[Position], Sequence[int]], npt.NDArray[np.bool_] | Sequence[bool]
]
"""(topic, partition, event ids, the position of each, and its arrival in microseconds) to whether the id belongs to
that place: False for an id that another place claimed whose record arrived minutes before. Ids of one call are claimed
in order."""


class Checked(NamedTuple):
    """What came of a batch.

    Attributes:
        outputs: blocks of the accepted events, then the dead letters of the others.
        counts: what to add to the durable counters.
        dead: the dead letters by reason.
        lateness_us: int64[accepted], from each event's own time to its arrival, by the world's clock.
    """

    outputs: list[Message]
    counts: dict[str, int]
    dead: dict[str, int]
    lateness_us: npt.NDArray[np.int64]


def check(
    batch: RecordBatch,
    partitions: int,
    world_us: Callable[[int], int],
    claim: Claim,
    formats: Registered | None = None,
) -> Checked:
    """Check, clamp and derive a batch's events, and set repeated ones apart.

    Args:
        batch: raw records of one event topic.
        partitions: of the checked topic. An event goes to its customer's, whatever its record's key was.
        world_us: the world's time at a system time, microseconds.
        claim: says which events were seen before.
        formats: decodes events of registered schemas; None: they are refused.

    Raises:
        RegistryUnavailable: a schema is not known yet; the whole batch has to wait for it.
    """
    rows, refused = _checked(batch, world_us, claim, formats)
    outputs = [
        Message(batch.topic + CHECKED_SUFFIX, "", block, partition=partition, events=events)
        for partition, part in _by_partition(rows, partitions)
        for block, events in encode_blocks(batch.topic, part)
    ]
    outputs += [letter_message(batch, i, error) for i, error in sorted(refused.items())]
    dead = Counter(error.reason for error in refused.values())
    return Checked(outputs, _counts(batch, refused), dict(dead), _lateness_us(rows))


def _checked(
    batch: RecordBatch, world_us: Callable[[int], int], claim: Claim, formats: Registered | None
) -> tuple[pa.RecordBatch, dict[int, EventError]]:
    """The rows of the accepted events, and by its number why a record is refused."""
    refused: dict[int, EventError] = {}
    events: list[Event] = []
    numbers: list[int] = []
    for i, event in enumerate(decode_many(batch.topic, batch.values, formats)):
        if isinstance(event, EventError):
            refused[i] = event
        else:
            events.append(event)
            numbers.append(i)
    # A batch's records arrived at few different milliseconds.
    world = {arrival_us: world_us(arrival_us) for arrival_us in set(batch.arrivals_us)}
    derived = derive(batch.topic, events, [world[batch.arrivals_us[i]] for i in numbers])
    refused |= {numbers[n]: error for n, error in derived.refused.items()}
    numbers = [i for i in numbers if i not in refused] if derived.refused else numbers
    return _without_repeats(batch, derived.rows, numbers, claim, refused)


def _without_repeats(
    batch: RecordBatch, rows: pa.RecordBatch, numbers: list[int], claim: Claim, refused: dict[int, EventError]
) -> tuple[pa.RecordBatch, dict[int, EventError]]:
    """The rows without those of events that were seen before, which join the refused ones."""
    if not numbers:
        return rows, refused
    ids = rows.column("event_id").to_pylist()
    positions = [batch.positions[i] for i in numbers]
    own = np.asarray(claim(batch.topic, batch.partition, ids, positions, [batch.arrivals_us[i] for i in numbers]))
    if own.all():
        return rows, refused
    for n in np.flatnonzero(~own).tolist():
        refused[numbers[n]] = EventError("duplicate", "event_id", f"{ids[n]!r} came before, within the last 10 minutes")
    return rows.filter(pa.array(own)), refused


def _by_partition(rows: pa.RecordBatch, partitions: int) -> Iterator[tuple[int, pa.RecordBatch]]:
    if partitions == 1:
        yield 0, rows
        return
    customers = rows.column("customer_id").to_pylist()
    places = np.fromiter((partition_of(customer, partitions) for customer in customers), np.int64, len(customers))
    for partition in np.unique(places).tolist():
        yield partition, rows.filter(pa.array(places == partition))


def _lateness_us(rows: pa.RecordBatch) -> npt.NDArray[np.int64]:
    lateness: npt.NDArray[np.int64] = (
        rows.column("arrival_time_us").to_numpy() - rows.column("event_time_us").to_numpy()
    )
    return lateness


def _counts(batch: RecordBatch, refused: dict[int, EventError]) -> dict[str, int]:
    """What to add to the counters, in all and by origin."""
    counts: Counter[str] = Counter()
    accepted = Counter(batch.origins)
    dead = Counter((batch.origins[i], error.reason) for i, error in refused.items())
    for (origin, reason), n in dead.items():
        accepted[origin] -= n
        counts[f"dead:{reason}"] += n
        if origin:
            counts[f"origin:{origin}:dead:{reason}"] += n
    for origin, n in accepted.items():
        counts[f"accepted:{batch.topic}"] += n
        if origin:
            counts[f"origin:{origin}:accepted"] += n
    return {name: n for name, n in counts.items() if n}
