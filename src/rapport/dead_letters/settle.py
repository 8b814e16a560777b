"""Settling dead letters: sent again or dropped, each once, whoever else is at it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

import msgspec

from rapport.bus.protocol import Bus, Message, Position
from rapport.dead_letters.box import MARKS, Mark, Marks, State, StoredLetter, letters_of, place_of, read_all
from rapport.dead_letters.letter import DEAD_LETTERS, RETRY_ORIGIN
from rapport.errors import PositionMoved

__all__ = ["Resend", "drop_letters", "free_dropped", "retry_letters", "send_again", "settle"]

Resend: TypeAlias = Callable[[StoredLetter], Sequence[Message]]
"""What is to be sent for a letter."""

_GROUP = "dead_letters"
_AT_ONCE = 500
_BYTES_AT_ONCE = 4 * 1024 * 1024
_ATTEMPTS = 20


def send_again(stored: StoredLetter) -> list[Message]:
    """The original bytes, to the topic that they were sent to."""
    letter = stored.letter
    return [Message(letter.topic, letter.key, letter.raw, RETRY_ORIGIN)]


def retry_letters(bus: Bus, letters: Iterable[StoredLetter], resend: Resend = send_again) -> int:
    """Send letters that wait again; returns how many.

    A letter is sent and marked in one step: each once, whoever else retries, and whenever this is killed. An event that
    is refused again gives a new letter.

    Args:
        bus: the bus.
        letters: as they were read; taken a few hundred at a time.
        resend: what is sent for a letter; by default its original bytes.

    Raises:
        BusFull, BusUnavailable: the letters not yet sent still wait.
    """
    return settle(bus, letters, "retried", resend, of=("waiting",))


def drop_letters(bus: Bus, letters: Iterable[StoredLetter]) -> int:
    """Forget letters, whether they wait or were retried; returns how many. The bus frees them oldest first."""
    dropped = settle(bus, letters, "dropped")
    free_dropped(bus)
    return dropped


def settle(
    bus: Bus,
    letters: Iterable[StoredLetter],
    state: State,
    resend: Resend = lambda stored: (),
    *,
    of: Sequence[State] = ("waiting", "retried"),
) -> int:
    """Mark those letters that are in a state `of` these, and send what `resend` gives, in steps that fail when somebody
    else marked meanwhile and are then made again; returns how many were marked."""
    marks = Marks(bus)
    settled = 0
    for chunk in _chunks(letters):
        for attempt in range(_ATTEMPTS):
            expected = bus.position(_GROUP, MARKS, 0)
            marks.refresh()
            open_now = [one for one in chunk if marks.of(one.id) in of]
            try:
                if open_now:
                    _mark(bus, open_now, state, resend, expected)
            except PositionMoved:
                if attempt == _ATTEMPTS - 1:
                    raise
                continue
            settled += len(open_now)
            break
    return settled


def free_dropped(bus: Bus) -> None:
    """Give back the letters before the oldest that is not dropped."""
    for partition in range(bus.partitions(DEAD_LETTERS)):
        free: Position | None = None
        for stored in letters_of(bus, [partition]):
            position = place_of(stored.id)[1]
            if stored.state != "dropped":
                free = position
                break
            free = Position(position.hi, position.lo + 1)
        if free is not None:
            bus.trim(DEAD_LETTERS, partition, free)
    _free_marks(bus)


def _chunks(letters: Iterable[StoredLetter]) -> Iterator[list[StoredLetter]]:
    """Letters, each once, in steps that the bus takes at a time."""
    chunk: dict[str, StoredLetter] = {}
    size = 0
    for stored in letters:
        if chunk and (len(chunk) >= _AT_ONCE or size + len(stored.letter.value) > _BYTES_AT_ONCE):
            yield list(chunk.values())
            chunk, size = {}, 0
        chunk[stored.id] = stored
        size += len(stored.letter.value)
    if chunk:
        yield list(chunk.values())


def _mark(bus: Bus, letters: list[StoredLetter], state: State, resend: Resend, expected: Position) -> None:
    outputs = [Message(MARKS, "", msgspec.json.encode(Mark(stored.id, state))) for stored in letters]
    for stored in letters:
        outputs += resend(stored)
    # The group's position is only a version here: it makes one step of reading the marks and adding to them.
    bus.commit(_GROUP, MARKS, 0, expected=expected, position=Position(expected.hi + 1, 0), outputs=outputs)


def _free_marks(bus: Bus) -> None:
    """Without letters, the marks that were made until now say nothing any more."""
    ends: dict[int, Position] = {}
    for partition in range(bus.partitions(MARKS)):
        reader = bus.reader(MARKS, partition)
        for batch in read_all(reader):
            ends[partition] = batch.positions[-1]
    if any(bus.reader(DEAD_LETTERS, part).lag() for part in range(bus.partitions(DEAD_LETTERS))):
        return
    for partition, last in ends.items():
        bus.trim(MARKS, partition, Position(last.hi, last.lo + 1))
