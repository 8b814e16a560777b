"""Letters are personal data: those of one customer, and those that have become too old, are taken off the bus.

A bus frees its records oldest first. So letters that stay and lie before one that goes are written again, at the end,
in the step that drops them where they were; then everything up to the last that goes is freed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import takewhile

import msgspec

from rapport.bus.protocol import START, Bus, Message, Position
from rapport.dead_letters.box import Seen, StoredLetter, letters_of, place_of
from rapport.dead_letters.letter import DEAD_LETTERS, DeadLetter
from rapport.dead_letters.settle import free_dropped, settle

__all__ = ["belongs_to", "erase_customer", "expire_letters"]

_LONG_ID_BYTES = 16


def erase_customer(bus: Bus, customer_id: str, *, seen: Seen = lambda done, total: None) -> int:
    """Take all letters that speak of a customer off the bus, whatever was done with them; returns how many.

    Letters that stay may get other ids.

    Raises:
        BusUnavailable: those that are not yet erased still lie there; calling again goes on.
    """
    return _erase(bus, lambda letter: belongs_to(letter, customer_id), seen)


def expire_letters(bus: Bus, before_us: int) -> int:
    """Take letters whose event arrived before a time (microseconds, UTC) off the bus; returns how many.

    Raises:
        BusUnavailable
    """
    return _erase(bus, lambda letter: letter.arrival_us < before_us, lambda done, total: None)


def belongs_to(letter: DeadLetter, customer_id: str) -> bool:
    """Whether a letter speaks of a customer: by its key or its customers, by any value of its JSON that equals the id,
    or, where the bytes are not JSON, by the id standing in them as a word or as a field."""
    if letter.key == customer_id or customer_id in letter.customers:
        return True
    raw = letter.raw
    if customer_id.encode() not in raw and b"\\" not in raw:
        return False
    try:
        return customer_id in _values(msgspec.json.decode(raw))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        # The texts of a block of checked rows stand one after the other, with nothing between them.
        return letter.topic.endswith(".checked") or _stands_in(customer_id.encode(), raw)


def _erase(bus: Bus, goes: Callable[[DeadLetter], bool], seen: Seen) -> int:
    erased = 0
    for partition in range(bus.partitions(DEAD_LETTERS)):
        going, last = 0, START
        for stored in letters_of(bus, [partition], seen=seen):
            if goes(stored.letter):
                going, last = going + 1, place_of(stored.id)[1]
        if going:
            kept = (one for one in _until(bus, partition, last) if not goes(one.letter))
            # A letter that was sent again is done with: it is not kept for the sake of others.
            settle(bus, kept, "dropped", _written_again, of=("waiting",))
            settle(bus, _until(bus, partition, last), "dropped")
            bus.trim(DEAD_LETTERS, partition, Position(last.hi, last.lo + 1))
        erased += going
    if erased:
        free_dropped(bus)
    return erased


def _until(bus: Bus, partition: int, last: Position) -> Iterator[StoredLetter]:
    return takewhile(lambda stored: place_of(stored.id)[1] <= last, letters_of(bus, [partition]))


def _written_again(stored: StoredLetter) -> list[Message]:
    letter = stored.letter
    return [Message(DEAD_LETTERS, letter.key, msgspec.json.encode(letter), letter.origin)]


def _values(whole: object) -> Iterator[str]:
    """The texts and whole numbers of a JSON value, as texts."""
    left = [whole]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            left += value.values()
        elif isinstance(value, list):
            left += value
        elif isinstance(value, str | int) and not isinstance(value, bool):
            yield str(value)


def _stands_in(customer_id: bytes, raw: bytes) -> bool:
    size = len(customer_id)
    if raw[:1] == b"\x00":
        # Avro and Protocol Buffers write a text's length before it; a long id is no accident.
        heads = (bytes([size]), bytes([2 * size])) if size < _LONG_ID_BYTES else (b"",)
        return any(head + customer_id in raw for head in heads)
    return re.search(rb"(?<![\w-])" + re.escape(customer_id) + rb"(?![\w-])", raw) is not None
