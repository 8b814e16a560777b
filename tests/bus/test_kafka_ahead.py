"""Records that come before they are committed, and again when they are: every row once and in order, whatever the order
of checking, committing, refusing, fetching and crashing; and no position is told that would pass over a row."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport.bus import START, Message, Position, RecordBatch
from rapport.bus.kafka_ahead import _MAX_BYTES, Ahead
from rapport.bus.kafka_cluster import to_offset, to_position
from rapport.bus.placed import is_ahead, is_placed, offset_after, on_from, place_of, places_of
from rapport.bus.protocol import Hop
from rapport.errors import BusError

OUT = "feedback.checked"
Actions = list[tuple[str, int]]


def raw(offset: int) -> Position:
    """The position of a raw record; -1: before the first."""
    return Position(offset + 1, 0)


class World:
    """A raw topic of which an ingest makes blocks, and features that read them through an Ahead.

    A block's value is the raw offsets of its rows. `rows` says of each raw record whether it becomes one.
    """

    def __init__(self, rows: list[bool]) -> None:
        self.rows = rows
        self.log: list[tuple[int, int, bytes]] = []
        self.end = 0
        self.committed = self.checked = -1
        self.under_way: list[Hop] = []
        self.told = START
        self.mark = -1
        self.applied: list[int] = []
        self.restart()

    def restart(self) -> None:
        """The worker is killed, and comes back."""
        self.refuse()
        self.ahead = Ahead()
        self.ahead.begin(self.told)
        self.at = self.told
        self.fetched = 0
        self.waiting = [record for record in self.log if record[1] >= offset_after(self.told)]
        self.buffer: list[tuple[int, int, bytes]] = []
        self.taken: list[RecordBatch] = []

    def check(self, size: int) -> None:
        upto = min(self.checked + size, len(self.rows) - 1)
        if upto == self.checked:
            return
        good = [at for at in range(self.checked + 1, upto + 1) if self.rows[at]]
        parts = [part for part in (good[: len(good) // 2], good[len(good) // 2 :]) if part]
        blocks = [
            Message(OUT, "", b" ".join(b"%d" % at for at in part), place=place_of(raw(part[-1]))) for part in parts
        ]
        if blocks:
            blocks[-1] = blocks[-1]._replace(place=place_of(raw(upto)))
        letters = [Message("dead_letters", "", b"x")] * (len(good) < upto - self.checked)
        hop = Hop("feedback", 0, raw(self.checked), raw(upto), [*blocks, *letters])
        self.checked = upto
        self.under_way.append(hop)
        self.ahead.offer(OUT, hop)

    def commit(self, many: int) -> None:
        """The first hops in one transaction, which takes an offset of its own."""
        hops, self.under_way = self.under_way[:many], self.under_way[many:]
        for hop in hops:
            self.committed = hop.position.hi - 1
            for message in hop.outputs:
                if message.topic == OUT:
                    record = (message.place, self.end, message.value)
                    self.log.append(record)
                    self.waiting.append(record)
                    self.end += 1
        self.end += 1

    def refuse(self) -> None:
        """What is under way is not committed, and its records are read again."""
        self.under_way, self.checked = [], self.committed

    def fetch(self, many: int) -> None:
        self.buffer, self.waiting = self.buffer + self.waiting[:many], self.waiting[many:]

    def take(self) -> bool:
        batch = self._taken()
        if batch is not None:
            self.taken.append(batch)
        return batch is not None

    def apply(self) -> bool:
        if not self.taken:
            return False
        batch = self.taken.pop(0)
        rows = [int(at) for value in batch.values for at in value.split()]
        assert rows == sorted(set(rows)), "a batch's places ascend"
        for at in rows:
            if place_of(raw(at)) > self.mark:
                assert [x for x in range(at) if self.rows[x]] == self.applied, "rows were passed over"
                self.applied.append(at)
                self.mark = place_of(raw(at))
        self.at = batch.positions[-1]
        if not is_ahead(self.at):
            self.tell(self.at)
        self.follow()
        return True

    def _taken(self) -> RecordBatch | None:
        while self.buffer:
            some, self.buffer = self.buffer[:3], self.buffer[3:]
            n = len(some)
            positions = [Position(place, offset + 1) for place, offset, _ in some]
            values = [value for _, _, value in some]
            new = self.ahead.new(RecordBatch(OUT, 0, positions, [""] * n, values, [""] * n, [0] * n))
            self.follow()
            if new is not None:
                return new
        return self.ahead.take(OUT, 0)

    def follow(self) -> None:
        reached = self.ahead.told(self.at)
        if reached is not None and is_ahead(self.at):
            self.tell(reached)

    def tell(self, position: Position) -> None:
        assert position > self.told and not is_ahead(position)
        passed = [value for place, offset, value in self.log if offset < offset_after(position)]
        assert {int(at) for value in passed for at in value.split()} <= set(self.applied)
        assert position.hi in [place for place, offset, _ in self.log if offset == position.lo - 1]
        self.told = position

    def do(self, action: str, amount: int) -> None:
        if action == "check":
            self.check(amount)
        elif action == "commit":
            self.commit(amount)
        elif action == "fetch":
            self.fetch(amount)
        elif action == "take":
            self.take()
        elif action == "apply":
            self.apply()
        elif action == "refuse":
            self.refuse()
        else:
            self.restart()

    def finish(self) -> None:
        self.check(len(self.rows))
        self.commit(len(self.under_way))
        self.fetch(len(self.waiting))
        while self.take() or self.apply():
            pass


STEPS = st.sampled_from(["check"] * 4 + ["commit"] * 2 + ["fetch"] * 2 + ["take", "apply"] * 4 + ["refuse", "restart"])


@settings(max_examples=300)
@given(
    st.lists(st.booleans(), min_size=10, max_size=60),
    st.lists(st.tuples(STEPS, st.integers(1, 6)), min_size=20, max_size=100),
)
def test_every_row_comes_once_and_in_order_and_no_position_passes_over_one(rows: list[bool], actions: Actions) -> None:
    world = World(rows)
    for action, amount in actions:
        world.do(action, amount)
    world.finish()
    assert world.applied == [at for at, is_row in enumerate(rows) if is_row]
    if world.log:
        place, offset, _ = world.log[-1]
        assert world.told == Position(place, offset + 1)


def test_what_follows_on_what_was_given_is_given_before_it_is_committed() -> None:
    world = World([True] * 100)
    for _ in range(10):
        world.check(10)
        assert world.take() and world.apply()
    assert world.applied == list(range(100)) and world.told == START and not world.log
    world.commit(10)
    world.fetch(20)
    assert not world.take() and world.told == Position(place_of(raw(99)), world.end - 1)


def test_a_reader_that_does_not_know_its_place_waits_for_one() -> None:
    """After the positions of an older version, which were offsets, or of a seek."""
    ahead = Ahead()
    ahead.begin(Position(7, 0))
    ahead.offer(OUT, Hop("feedback", 0, raw(-1), raw(4), [Message(OUT, "", b"0", place=place_of(raw(4)))]))
    assert ahead.take(OUT, 0) is None
    plain = RecordBatch(OUT, 0, [Position(8, 0)], [""], [b"old"], [""], [0])
    assert ahead.new(plain) is plain and ahead.take(OUT, 0) is None


def test_offers_that_wait_for_long_are_let_go() -> None:
    ahead = Ahead()
    ahead.begin(Position(7, 0))
    large = Message(OUT, "", bytes(_MAX_BYTES // 4), place=place_of(raw(1)))
    for at in range(9):
        ahead.offer(OUT, Hop("feedback", 0, raw(at), raw(at + 1), [large]))
    assert len(ahead.offers) == 4 and ahead.held <= _MAX_BYTES


def turns() -> Iterator[Position]:
    """A topic that is made anew as often as can be told."""
    at = Position(1_000, 0)
    while True:
        yield at
        at = on_from(at, 0, 10)._replace(hi=1_000)


def test_places_ascend_through_offsets_and_through_topics_that_are_made_anew() -> None:
    seen = [Position(2**51, 0)]
    for at in turns():
        seen += [Position(int(place), 0) for place in places_of([at, at._replace(hi=at.hi + 1)])]
        assert seen[-2].hi == place_of(at) and is_placed(seen[-1]) and seen[-1].hi < 2**53
        if at.lo == 63:
            break
    assert seen == sorted(set(seen))
    with pytest.raises(BusError, match="63 times"):
        on_from(at, 0, 10)


@given(st.integers(0, 2**62), st.integers(0, 63))
def test_kafka_keeps_every_position(hi: int, lo: int) -> None:
    """Those that only look like places, too: edges number their batches in positions."""
    assert to_position(*to_offset(Position(hi, lo))) == Position(hi, lo)


def test_a_reader_goes_on_from_the_oldest_record_and_keeps_its_place() -> None:
    placed = Position(place_of(raw(700)), 12)
    assert on_from(placed, 40, 60) == Position(placed.hi, 40) and offset_after(placed) == 12
    assert on_from(Position(12, 3), 40, 60) == Position(40, 3)
    assert on_from(Position(80, 3), 40, 60) == Position(40, 4)
