"""What ingest does with a batch of raw records, as a function: blocks of the good ones, dead letters for the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rapport.bus.keys import partition_of
from rapport.bus.placed import place_of, places_of
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
        outputs: blocks of the accepted events, then the dead letters of the others, then what is passed on to another
            partition of the topic.
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
    *,
    placed: bool = False,
) -> Checked:
    """Check, clamp and derive a batch's events, and set repeated ones apart.

    Args:
        batch: raw records of one event topic.
        partitions: of the checked topic. An event goes to its customer's, whatever its record's key was.
        world_us: the world's time at a system time, microseconds.
        claim: says which events were seen before.
        formats: decodes events of registered schemas; None: they are refused.
        placed: let the rows say which places they have in the raw log. Then those of a partition have to come from its
            raw records alone: an event of another partition's customer is passed on to that, and checked there. The raw
            topic has as many.

    Raises:
        RegistryUnavailable: a schema is not known yet; the whole batch has to wait for it.
    """
    rows, numbers, refused = _derived(batch, world_us, formats)
    passed_on: list[Message] = []
    if placed:
        rows, numbers, passed_on = _own(batch, rows, numbers, partitions)
    rows, numbers = _without_repeats(batch, rows, numbers, claim, refused)
    outputs = _placed_blocks(batch, rows, numbers) if placed else _blocks(batch.topic, rows, partitions)
    outputs += [letter_message(batch, i, error) for i, error in sorted(refused.items())]
    dead = Counter(error.reason for error in refused.values())
    counts = _counts(batch, refused, passed_on)
    return Checked(outputs + passed_on, counts, dict(dead), _lateness_us(rows))


def _derived(
    batch: RecordBatch, world_us: Callable[[int], int], formats: Registered | None
) -> tuple[pa.RecordBatch, list[int], dict[int, EventError]]:
    """The rows of the good events, the number of each one's record, and by its number why a record is refused."""
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
    return derived.rows, numbers, refused


def _own(
    batch: RecordBatch, rows: pa.RecordBatch, numbers: list[int], partitions: int
) -> tuple[pa.RecordBatch, list[int], list[Message]]:
    """The rows of the customers of the batch's partition, with their numbers, and the others' records as messages."""
    places = _partitions_of(rows, partitions)
    own = places == batch.partition
    if own.all():
        return rows, numbers, []
    customers = rows.column("customer_id")
    passed_on = [
        Message(batch.topic, customers[n].as_py(), batch.values[i], batch.origins[i], int(places[n]))
        for n, i in enumerate(numbers)
        if not own[n]
    ]
    return rows.filter(pa.array(own)), [i for n, i in enumerate(numbers) if own[n]], passed_on


def _without_repeats(
    batch: RecordBatch, rows: pa.RecordBatch, numbers: list[int], claim: Claim, refused: dict[int, EventError]
) -> tuple[pa.RecordBatch, list[int]]:
    """The rows, and their numbers, without those of events that were seen before, which join the refused ones."""
    if not numbers:
        return rows, numbers
    ids = rows.column("event_id").to_pylist()
    positions = [batch.positions[i] for i in numbers]
    own = np.asarray(claim(batch.topic, batch.partition, ids, positions, [batch.arrivals_us[i] for i in numbers]))
    if own.all():
        return rows, numbers
    for n in np.flatnonzero(~own).tolist():
        refused[numbers[n]] = EventError("duplicate", "event_id", f"{ids[n]!r} came before, within the last 10 minutes")
    return rows.filter(pa.array(own)), [i for n, i in enumerate(numbers) if own[n]]


def _placed_blocks(batch: RecordBatch, rows: pa.RecordBatch, numbers: list[int]) -> list[Message]:
    """Blocks for the batch's partition. The last one reaches to the batch's end, whatever became of its records."""
    topic = batch.topic + CHECKED_SUFFIX
    places = places_of([batch.positions[i] for i in numbers])
    made, done = [], 0
    for block, events in encode_blocks(batch.topic, rows, places):
        done += events
        place = int(places[done - 1]) if done < len(rows) else place_of(batch.positions[-1])
        made.append(Message(topic, "", block, partition=batch.partition, events=events, place=place))
    return made


def _blocks(topic: str, rows: pa.RecordBatch, partitions: int) -> list[Message]:
    """Blocks for the partition of each customer."""
    return [
        Message(topic + CHECKED_SUFFIX, "", block, partition=partition, events=events)
        for partition, part in _by_partition(rows, partitions)
        for block, events in encode_blocks(topic, part)
    ]


def _by_partition(rows: pa.RecordBatch, partitions: int) -> Iterator[tuple[int, pa.RecordBatch]]:
    if partitions == 1:
        yield 0, rows
        return
    places = _partitions_of(rows, partitions)
    for partition in np.unique(places).tolist():
        yield partition, rows.filter(pa.array(places == partition))


def _partitions_of(rows: pa.RecordBatch, partitions: int) -> npt.NDArray[np.int64]:
    """int64[n]: the partition of each row's customer."""
    if partitions == 1:
        return np.zeros(len(rows), np.int64)
    customers = rows.column("customer_id").to_pylist()
    return np.fromiter((partition_of(customer, partitions) for customer in customers), np.int64, len(customers))


def _lateness_us(rows: pa.RecordBatch) -> npt.NDArray[np.int64]:
    lateness: npt.NDArray[np.int64] = (
        rows.column("arrival_time_us").to_numpy() - rows.column("event_time_us").to_numpy()
    )
    return lateness


def _counts(batch: RecordBatch, refused: dict[int, EventError], passed_on: Sequence[Message]) -> dict[str, int]:
    """What to add to the counters, in all and by origin. What is passed on is counted where it is checked."""
    counts: Counter[str] = Counter()
    accepted = Counter(batch.origins)
    accepted.subtract(message.origin for message in passed_on)
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
