"""Reading dead letters: page by page, however many there are, with what was done with each."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import msgspec

from rapport.bus.protocol import START, Bus, Position, Reader, RecordBatch
from rapport.dead_letters.letter import DEAD_LETTERS, DeadLetter
from rapport.errors import BusError

__all__ = [
    "MARKS",
    "LetterFilter",
    "Mark",
    "Marks",
    "Seen",
    "State",
    "StoredLetter",
    "count_letters",
    "letters_of",
    "list_letters",
    "place_of",
    "read_all",
    "show_letter",
    "walk_letters",
]

State: TypeAlias = Literal["waiting", "retried", "dropped"]
Seen: TypeAlias = Callable[[int, int], None]
"""Told how many letters have been looked at, of how many."""

MARKS = "dead_letters.marks"
_PAGE = 500
"""Letters that are read at once: one has at most a megabyte."""
_ID = re.compile(r"(\d+):(\d+)-(\d+)")
_LAST_LO = 2**63 - 1
_A_MOMENT_S = 0.001


class StoredLetter(msgspec.Struct, frozen=True):
    """A dead letter, its id (`partition:hi-lo` on the topic of dead letters), and what was done with it."""

    id: str
    state: State
    letter: DeadLetter


class Mark(msgspec.Struct, frozen=True):
    """What was done with a letter, as it lies on MARKS."""

    id: str
    state: State


_letters = msgspec.json.Decoder(DeadLetter)
_marks = msgspec.json.Decoder(Mark)


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which letters are wanted; what is empty is not asked for.

    Attributes:
        topic, reason, field, origin: only letters with this.
        since_us, until_us: only letters whose event arrived in [since_us, until_us); microseconds, UTC.
        state: only letters in this state; None: waiting and retried ones.
        without_reason: no letters with this reason.
    """

    topic: str = ""
    reason: str = ""
    field: str = ""
    origin: str = ""
    since_us: int | None = None
    until_us: int | None = None
    state: State | None = "waiting"
    without_reason: str = ""

    def takes(self, stored: StoredLetter) -> bool:
        """Whether a letter is wanted."""
        letter = stored.letter
        return (
            (stored.state == self.state if self.state else stored.state != "dropped")
            and self.topic in ("", letter.topic)
            and self.reason in ("", letter.reason)
            and self.field in ("", letter.field)
            and self.origin in ("", letter.origin)
            and (self.since_us is None or letter.arrival_us >= self.since_us)
            and (self.until_us is None or letter.arrival_us < self.until_us)
            and not (self.without_reason and letter.reason == self.without_reason)
        )


_WAITING = LetterFilter()


class Marks:
    """The last mark of each letter that has one; reads on from where it was."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._readers = [bus.reader(MARKS, part) for part in range(bus.partitions(MARKS))]
        self._states: dict[str, State] = {}
        self._first: list[Position | None] = [_first(bus, part) for part in range(bus.partitions(DEAD_LETTERS))]

    def refresh(self) -> None:
        """Read what was marked since.

        Raises:
            BusUnavailable
        """
        for reader in self._readers:
            for batch in read_all(reader):
                for mark in map(_marks.decode, batch.values):
                    if self._is_held(mark.id):
                        self._states[mark.id] = mark.state

    def of(self, letter_id: str) -> State:
        """What was last done with a letter; one that the bus has freed was dropped."""
        return self._states.get(letter_id) or ("waiting" if self._is_held(letter_id) else "dropped")

    def _is_held(self, letter_id: str) -> bool:
        """Marks of letters that the bus has freed are not kept in memory."""
        partition, position = place_of(letter_id)
        if partition >= len(self._first):
            return False
        first = self._first[partition]
        if first is None:
            first = self._first[partition] = _first(self._bus, partition)
        return first is not None and position >= first


def list_letters(bus: Bus, wanted: LetterFilter = _WAITING, *, limit: int = 100, after: str = "") -> list[StoredLetter]:
    """The oldest letters, partition by partition.

    Args:
        bus: the bus.
        wanted: which letters.
        limit: most letters to give.
        after: the id of the letter after which to begin: the last of the page before.

    Raises:
        BusError: `after` is not the id of a letter.
        BusUnavailable
    """
    found: list[StoredLetter] = []
    for stored in walk_letters(bus, wanted, after=after):
        found.append(stored)
        if len(found) >= limit:
            break
    return found


def walk_letters(
    bus: Bus, wanted: LetterFilter = _WAITING, *, after: str = "", seen: Seen = lambda done, total: None
) -> Iterator[StoredLetter]:
    """All wanted letters that are there when the walk begins, a page of them in memory at a time.

    Raises:
        BusError: `after` is not the id of a letter.
        BusUnavailable
    """
    return filter(wanted.takes, letters_of(bus, after=after, seen=seen))


def count_letters(
    bus: Bus, wanted: LetterFilter = _WAITING, *, seen: Seen = lambda done, total: None
) -> dict[str, int]:
    """How many letters are wanted, by reason."""
    return dict(sorted(Counter(stored.letter.reason for stored in walk_letters(bus, wanted, seen=seen)).items()))


def show_letter(bus: Bus, letter_id: str) -> StoredLetter:
    """One letter, also one that was dropped as long as the bus holds it.

    Raises:
        BusError: there is none with this id.
    """
    partition, position = place_of(letter_id)
    if 0 <= partition < bus.partitions(DEAD_LETTERS):
        before = Position(position.hi, position.lo - 1) if position.lo else Position(position.hi - 1, _LAST_LO)
        batch = bus.reader(DEAD_LETTERS, partition, before).poll(1)
        if batch is not None and batch.positions[0] == position:
            marks = Marks(bus)
            marks.refresh()
            return StoredLetter(letter_id, marks.of(letter_id), _letters.decode(batch.values[0]))
    raise BusError(f"there is no dead letter {letter_id!r}: `rapport deadletters list` lists them")


def letters_of(
    bus: Bus,
    partitions: list[int] | None = None,
    *,
    after: str = "",
    seen: Seen = lambda done, total: None,
) -> Iterator[StoredLetter]:
    """Every letter that is on the bus now, also dropped ones. What comes meanwhile is not given: a letter that is sent
    again and refused again would otherwise be met for ever."""
    start = place_of(after) if after else (0, START)
    marks = Marks(bus)
    marks.refresh()
    parts = range(bus.partitions(DEAD_LETTERS)) if partitions is None else partitions
    readers = [(p, bus.reader(DEAD_LETTERS, p, start[1] if p == start[0] else START)) for p in parts if p >= start[0]]
    ends = [(partition, reader, reader.lag()) for partition, reader in readers]
    total, done = sum(end for _, _, end in ends), 0
    for partition, reader, end in ends:
        for batch in read_all(reader, end):
            yield from _opened(batch, partition, marks)
            done += len(batch)
            seen(done, total)


def read_all(reader: Reader, left: int | None = None) -> Iterator[RecordBatch]:
    """What is there for a reader now, or its next `left` records. A poll that gives nothing is no proof of the end."""
    left = reader.lag() if left is None else left
    while left:
        batch = reader.poll(min(left, _PAGE))
        if batch is not None:
            left -= len(batch)
            yield batch
        elif left := min(left, reader.lag()):
            time.sleep(_A_MOMENT_S)


def place_of(letter_id: str) -> tuple[int, Position]:
    """The partition and the position that a letter's id names.

    Raises:
        BusError: it is not the id of a letter.
    """
    match = _ID.fullmatch(letter_id)
    if match is None:
        raise BusError(f"{letter_id!r} is not the id of a dead letter; ids look like 0:1700000000000-0")
    return int(match[1]), Position(int(match[2]), int(match[3]))


def _opened(batch: RecordBatch, partition: int, marks: Marks) -> Iterator[StoredLetter]:
    for position, value in zip(batch.positions, batch.values, strict=True):
        letter_id = f"{partition}:{position.hi}-{position.lo}"
        yield StoredLetter(letter_id, marks.of(letter_id), _letters.decode(value))


def _first(bus: Bus, partition: int) -> Position | None:
    """Where the oldest letter of a partition lies; None without any."""
    return next((batch.positions[0] for batch in read_all(bus.reader(DEAD_LETTERS, partition), 1)), None)
