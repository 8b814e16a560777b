"""Numbered batches: what a sender sends again however much later is on the bus once.

A sender numbers its batches and sends one at a time, each until it is answered. The bus keeps the number of the
last one as the position of a group of the sender's own, moved in the same step that publishes the batch: so a batch is
published with its number or not at all, and one that comes again is known by its number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from zlib import crc32

from rapport.bus.protocol import START, Bus, Message, Position
from rapport.errors import PositionMoved
from rapport.intake.bodies import BATCH_HEADER, MAX_NUMBER, SENDER_HEADER
from rapport.intake.refusal import Refusal

__all__ = ["BatchNumber", "publish_once"]

_TOPIC = "senders"
"""Holds no records: senders have a position in it each."""
_SENDER = re.compile(r"[0-9a-f]{32}")


class BatchNumber:
    """A batch's place among those of its sender.

    Args:
        sender: 32 hexadecimal digits, drawn at random once for each sequence of numbers.
        number: from 1 to MAX_NUMBER, greater than that of the batch before.
        body: the batch, unpacked; the same for the same number.
    """

    def __init__(self, sender: str, number: int, body: bytes) -> None:
        self.sender = sender
        self.number = number
        self._check = crc32(body)

    @property
    def position(self) -> Position:
        """What the bus keeps: the number, and below it a check of the content. A bus that keeps offsets can keep it."""
        return Position.of_offset(self.number << 32 | self._check)

    @classmethod
    def of(cls, headers: Mapping[str, str], body: bytes) -> BatchNumber | None:
        """The number that a request's headers (names in small letters) give; None without.

        Raises:
            Refusal: 400.
        """
        sender, text = headers.get(SENDER_HEADER.lower()), headers.get(BATCH_HEADER.lower())
        if sender is None and text is None:
            return None
        if sender is None or not _SENDER.fullmatch(sender):
            detail = f"{(sender or '')[:80]!r} is refused; allowed: 32 hexadecimal digits, drawn at random once"
            raise Refusal(400, "bad_value", SENDER_HEADER, detail)
        if text is None or not re.fullmatch(r"[0-9]{1,10}", text) or not 1 <= int(text) <= MAX_NUMBER:
            detail = f"{(text or '')[:80]!r} is refused; allowed: a number from 1 to {MAX_NUMBER:,}"
            raise Refusal(400, "bad_value", BATCH_HEADER, detail)
        return cls(sender, int(text), body)


def publish_once(bus: Bus, batch: BatchNumber, messages: Sequence[Message]) -> bool:
    """Publish a batch unless it was; whether it was not.

    Raises:
        Refusal: 409, the number was given to another batch.
        BusFull: nothing was published.
        BusUnavailable: whether it was published is not known; calling again finds out.
    """
    group = f"sender-{batch.sender}"
    while True:
        stored = bus.position(group, _TOPIC, 0)
        if stored == batch.position:
            return False
        if stored != START and stored.hi - 1 >> 32 >= batch.number:
            raise _used(batch, stored.hi - 1 >> 32)
        try:
            bus.commit(group, _TOPIC, 0, expected=stored, position=batch.position, outputs=messages)
        except PositionMoved:
            # The same request, given twice at a time; the stored number says which batch it was.
            continue
        return True


def _used(batch: BatchNumber, last: int) -> Refusal:
    detail = (
        f"this sender's batch {batch.number:,} is refused: its batch {last:,} is on the bus, and is another one. "
        "Numbers ascend, and a number keeps its content; a sender whose past was restored draws a new name"
    )
    return Refusal(409, "number_used", BATCH_HEADER, detail)
