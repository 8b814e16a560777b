"""Records of a partition that come before they are committed, and the committed ones when they follow.

Both say up to which place of the raw log they reach (rapport.bus.placed). Each is given when all before it was, and
once: what comes second, from whichever side, is passed over.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from rapport.bus.placed import is_placed, place_of
from rapport.bus.protocol import START, Hop, Message, Position, RecordBatch

__all__ = ["Ahead"]

_MAX_BYTES = 16 * 1024 * 1024
"""Of records that wait for those before them; the oldest are let go, and come from the broker."""


@dataclass(frozen=True, slots=True)
class _Offer:
    """Records that reach from behind one place to another; they may be none."""

    after: int
    upto: int
    messages: tuple[Message, ...]
    size: int


@dataclass(slots=True)
class Ahead:
    """What is known of one partition for the reader that has it. The owner's lock guards it."""

    covered: int = -1
    """The place up to which everything was given; -1: not known."""
    given: int = -1
    """The place of the last record that was given; behind it were none."""
    offers: deque[_Offer] = field(default_factory=deque)
    held: int = 0
    committed: deque[Position] = field(default_factory=deque)
    """Where committed records are that were given before they were, of which it is not known yet that they are done
    with."""

    def begin(self, after: Position) -> None:
        """A reader starts from here."""
        self.covered = place_of(START) if after == START else after.hi if is_placed(after) else -1
        self.given = -1
        self.committed.clear()

    def offer(self, topic: str, hop: Hop) -> None:
        """Take what will be committed; of the hop's outputs, those of `topic`."""
        messages = tuple(each for each in hop.outputs if each.topic == topic)
        size = sum(len(each.value) for each in messages)
        self.offers.append(_Offer(place_of(hop.expected), place_of(hop.position), messages, size))
        self.held += size
        while self.held > _MAX_BYTES:
            self._let_go()

    def ready(self) -> bool:
        """Whether an offer can be given now."""
        return bool(self.offers) and self.offers[0].after <= self.covered

    def take(self, topic: str, partition: int) -> RecordBatch | None:
        """The offers that follow on what was given."""
        messages: list[Message] = []
        while self.ready():
            if messages and self.offers[0].after < self.covered:
                # Made again, of other batches: in one batch the rows have to ascend.
                break
            offer = self._let_go()
            if offer.upto > self.covered:
                self.covered = offer.upto
                messages += offer.messages
        if not messages:
            return None
        self.given = messages[-1].place
        return _batch(topic, partition, messages)

    def new(self, batch: RecordBatch) -> RecordBatch | None:
        """Of committed records, those that were not given before."""
        fresh = [i for i, position in enumerate(batch.positions) if not self._was_given(position)]
        return batch if len(fresh) == len(batch) else _part(batch, fresh) if fresh else None

    def told(self, done: Position) -> Position | None:
        """The last committed record up to which everything is done with, once: what was given up to `done` is."""
        upto = self.covered if done.hi >= self.given else done.hi
        last = None
        while self.committed and self.committed[0].hi <= upto:
            last = self.committed.popleft()
        return last

    def _was_given(self, position: Position) -> bool:
        if not is_placed(position):
            return False
        if position.hi <= self.covered:
            self.committed.append(position)
            return True
        self.covered = self.given = position.hi
        return False

    def _let_go(self) -> _Offer:
        offer = self.offers.popleft()
        self.held -= offer.size
        return offer


def _batch(topic: str, partition: int, messages: Sequence[Message]) -> RecordBatch:
    now_us = time.time_ns() // 1_000
    nothing = [""] * len(messages)
    return RecordBatch(
        topic,
        partition,
        positions=[Position(message.place, 0) for message in messages],
        keys=nothing,
        values=[message.value for message in messages],
        origins=nothing,
        arrivals_us=[now_us] * len(messages),
    )


def _part(batch: RecordBatch, places: Sequence[int]) -> RecordBatch:
    """Some records of a batch."""
    return RecordBatch(
        batch.topic,
        batch.partition,
        positions=[batch.positions[i] for i in places],
        keys=[batch.keys[i] for i in places],
        values=[batch.values[i] for i in places],
        origins=[batch.origins[i] for i in places],
        arrivals_us=[batch.arrivals_us[i] for i in places],
    )
