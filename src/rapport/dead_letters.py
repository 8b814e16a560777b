"""Dead letters: events that could not be accepted, kept with their original bytes, to be looked at, retried or dropped.

Letters lie on the topic `dead_letters` and are never changed. What was done with them is written beside them, on
`dead_letters.marks`, in the same step that does it, so that two people cannot retry one letter twice.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, TypeAlias

import msgspec

from rapport.bus.protocol import START, Bus, Message, Position, RecordBatch
from rapport.errors import BusError, EventError, PositionMoved

__all__ = [
    "DEAD_LETTERS",
    "RETRY_ORIGIN",
    "DeadLetter",
    "StoredLetter",
    "count_letters",
    "drop_letters",
    "letter_message",
    "list_letters",
    "retry_letters",
    "show_letter",
]

DEAD_LETTERS = "dead_letters"
"""The topic of dead letters."""
RETRY_ORIGIN = "retry"
"""The origin of retried events: their counters are apart from those of the run that brought them first."""

State: TypeAlias = Literal["waiting", "retried", "dropped"]

_MARKS = "dead_letters.marks"
_GROUP = "dead_letters"
_PAGE = 2_000
_AT_ONCE = 500
_ATTEMPTS = 20
_ID = re.compile(r"(\d+):(\d+)-(\d+)")


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A refused event, as it lies on the bus in JSON."""

    topic: str
    """The topic that it was sent to."""
    partition: int
    position: tuple[int, int]
    """Where it stood in that topic."""
    key: str
    origin: str
    reason: str
    field: str
    detail: str
    arrival_us: int
    """When the bus accepted it: system time, UTC, microseconds."""
    value: str
    """The original bytes, base64."""

    @property
    def raw(self) -> bytes:
        """The original bytes."""
        return b64decode(self.value)


class StoredLetter(msgspec.Struct, frozen=True):
    """A dead letter, its id (`partition:hi-lo` on the topic of dead letters), and what was done with it."""

    id: str
    state: State
    letter: DeadLetter


class _Mark(msgspec.Struct, frozen=True):
    id: str
    state: State


_letters = msgspec.json.Decoder(DeadLetter)
_marks = msgspec.json.Decoder(_Mark)


def letter_message(batch: RecordBatch, i: int, error: EventError) -> Message:
    """The dead letter of a batch's i-th record, ready for the bus."""
    letter = DeadLetter(
        topic=batch.topic,
        partition=batch.partition,
        position=batch.positions[i],
        key=batch.keys[i],
        origin=batch.origins[i],
        reason=error.reason,
        field=error.field,
        detail=error.detail,
        arrival_us=batch.arrivals_us[i],
        value=b64encode(batch.values[i]).decode(),
    )
    return Message(DEAD_LETTERS, batch.keys[i], msgspec.json.encode(letter), batch.origins[i])


def list_letters(
    bus: Bus, *, topic: str | None = None, reason: str | None = None, state: State | None = "waiting", limit: int = 100
) -> list[StoredLetter]:
    """The oldest letters, partition by partition.

    Args:
        bus: the bus.
        topic, reason: only letters of this topic, with this reason.
        state: only letters in this state; None: all but dropped ones.
        limit: most letters to give.
    """
    found: list[StoredLetter] = []
    for stored in _stored(bus):
        right_state = stored.state == state if state else stored.state != "dropped"
        if right_state and topic in (None, stored.letter.topic) and reason in (None, stored.letter.reason):
            found.append(stored)
            if len(found) >= limit:
                break
    return found


def count_letters(bus: Bus, *, topic: str | None = None) -> dict[str, int]:
    """How many letters wait, by reason."""
    waiting = (stored.letter for stored in _stored(bus) if stored.state == "waiting")
    return dict(sorted(Counter(letter.reason for letter in waiting if topic in (None, letter.topic)).items()))


def show_letter(bus: Bus, letter_id: str) -> StoredLetter:
    """One letter, also one that was dropped as long as the bus holds it.

    Raises:
        BusError: there is none with this id.
    """
    partition, position = _place(letter_id)
    if 0 <= partition < bus.partitions(DEAD_LETTERS):
        before = Position(position.hi, position.lo - 1) if position.lo else Position(position.hi - 1, 2**63 - 1)
        batch = bus.reader(DEAD_LETTERS, partition, before).poll(1)
        if batch is not None and batch.positions[0] == position:
            state = _states(bus).get(letter_id, "waiting")
            return StoredLetter(letter_id, state, _letters.decode(batch.values[0]))
    raise BusError(f"there is no dead letter {letter_id!r}: `rapport deadletters` lists them")


def retry_letters(bus: Bus, letters: Sequence[StoredLetter]) -> int:
    """Send the original bytes of letters that wait to their topics again; returns how many.

    A letter is sent and marked in one step: each once, whoever else retries. An event that is refused again gives a
    new letter.

    Raises:
        BusFull, BusUnavailable: the letters not yet sent still wait.
    """
    return _settle(bus, letters, "retried")


def drop_letters(bus: Bus, letters: Sequence[StoredLetter]) -> int:
    """Forget letters, whether they wait or were retried; returns how many. The bus frees them oldest first."""
    dropped = _settle(bus, letters, "dropped")
    _free(bus)
    return dropped


def _settle(bus: Bus, letters: Sequence[StoredLetter], state: State) -> int:
    """Mark letters, in steps that fail when somebody else marked meanwhile and are then made again."""
    from_states = ("waiting",) if state == "retried" else ("waiting", "retried")
    settled = 0
    for at in range(0, len(letters), _AT_ONCE):
        chunk = {stored.id: stored for stored in letters[at : at + _AT_ONCE]}
        for attempt in range(_ATTEMPTS):
            expected = bus.position(_GROUP, _MARKS, 0)
            states = _states(bus)
            open_now = [one for one in chunk.values() if states.get(one.id, "waiting") in from_states]
            try:
                if open_now:
                    _mark(bus, open_now, state, expected)
            except PositionMoved:
                if attempt == _ATTEMPTS - 1:
                    raise
                continue
            settled += len(open_now)
            break
    return settled


def _mark(bus: Bus, letters: list[StoredLetter], state: State, expected: Position) -> None:
    outputs = [Message(_MARKS, "", msgspec.json.encode(_Mark(stored.id, state))) for stored in letters]
    if state == "retried":
        outputs += [Message(one.letter.topic, one.letter.key, one.letter.raw, RETRY_ORIGIN) for one in letters]
    # The group's position is only a version here: it makes one step of reading the marks and adding to them.
    bus.commit(_GROUP, _MARKS, 0, expected=expected, position=Position(expected.hi + 1, 0), outputs=outputs)


def _free(bus: Bus) -> None:
    """Give back the letters before the oldest that is not dropped."""
    for partition in range(bus.partitions(DEAD_LETTERS)):
        free: Position | None = None
        for stored in _stored(bus, [partition]):
            position = _place(stored.id)[1]
            if stored.state != "dropped":
                free = position
                break
            free = Position(position.hi, position.lo + 1)
        if free is not None:
            bus.trim(DEAD_LETTERS, partition, free)
    _free_marks(bus)


def _free_marks(bus: Bus) -> None:
    """Without letters, the marks that were made until now say nothing any more."""
    marks = {part: list(_batches(bus, _MARKS, part)) for part in range(bus.partitions(_MARKS))}
    if any(bus.reader(DEAD_LETTERS, part).lag() for part in range(bus.partitions(DEAD_LETTERS))):
        return
    for partition, batches in marks.items():
        if batches:
            last = batches[-1].positions[-1]
            bus.trim(_MARKS, partition, Position(last.hi, last.lo + 1))


def _stored(bus: Bus, partitions: Iterable[int] | None = None) -> Iterator[StoredLetter]:
    states = _states(bus)
    for partition in range(bus.partitions(DEAD_LETTERS)) if partitions is None else partitions:
        for batch in _batches(bus, DEAD_LETTERS, partition):
            for position, value in zip(batch.positions, batch.values, strict=True):
                letter_id = f"{partition}:{position.hi}-{position.lo}"
                yield StoredLetter(letter_id, states.get(letter_id, "waiting"), _letters.decode(value))


def _states(bus: Bus) -> dict[str, State]:
    """The last mark of each letter that has one."""
    values = [
        value
        for partition in range(bus.partitions(_MARKS))
        for b in _batches(bus, _MARKS, partition)
        for value in b.values
    ]
    return {mark.id: mark.state for mark in map(_marks.decode, values)}


def _batches(bus: Bus, topic: str, partition: int) -> Iterator[RecordBatch]:
    reader = bus.reader(topic, partition, START)
    while batch := reader.poll(_PAGE):
        yield batch


def _place(letter_id: str) -> tuple[int, Position]:
    match = _ID.fullmatch(letter_id)
    if match is None:
        raise BusError(f"{letter_id!r} is not the id of a dead letter; ids look like 0:1700000000000-0")
    return int(match[1]), Position(int(match[2]), int(match[3]))
