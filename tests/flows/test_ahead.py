"""Commits in a thread of their own: in order, several as one, and what is refused is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest

from flows.ahead import CommitsAhead, Refused
from rapport.bus.protocol import START, Hop, Message, Position
from rapport.bus.retry import Patience
from rapport.errors import BusError, BusFull, PositionMoved
from rapport.testing.bus import MemoryBus


class SlowBus(MemoryBus):
    """Commits when it is let, and notes how many hops came together."""

    def __init__(self, *, max_length: int = 1_000) -> None:
        super().__init__(partitions=2, max_length=max_length)
        self.let = threading.Event()
        self.steps: list[int] = []
        self.broken = False

    def commit_all(self, group: str, hops: Sequence[Hop]) -> list[BusError | None]:
        self.let.wait(10)
        if self.broken:
            raise BusError("a record is too large")
        self.steps.append(len(hops))
        return super().commit_all(group, hops)


def hop(at: int, partition: int = 0) -> Hop:
    """From offset `at` to the next one."""
    expected = Position(at, 0) if at else START
    outputs = [Message("out", "k", b"%d" % at, partition=partition)]
    return Hop("t", partition, expected, Position(at + 1, 0), outputs, {"n": 1})


def done(commits: CommitsAhead) -> list[Refused]:
    """What was refused, when nothing is under way any more."""
    refused, deadline = commits.refused(), time.monotonic() + 10
    while commits.busy() and time.monotonic() < deadline:
        refused += commits.refused()
        time.sleep(0.001)
    return refused


def test_what_waits_becomes_one_hop_of_each_partition() -> None:
    bus, committed = SlowBus(), []
    commits = CommitsAhead(bus, Patience(), "g")
    for at in range(3):
        for partition in (0, 1):
            commits.give([(hop(at, partition), lambda at=at, partition=partition: committed.append((partition, at)))])
    assert commits.busy() and not committed
    bus.let.set()
    assert done(commits) == []
    commits.close()
    assert sorted(committed) == [(partition, at) for partition in (0, 1) for at in range(3)]
    assert sum(bus.steps) < 6 and bus.counts() == {"n": 6}
    for partition in (0, 1):
        out = bus.reader("out", partition).poll(10)
        assert out is not None and out.values == [b"0", b"1", b"2"]
        assert bus.position("g", "t", partition) == Position(3, 0)


def test_what_was_refused_is_told_and_what_came_after_it_is_refused_too() -> None:
    bus = SlowBus(max_length=2)
    bus.let.set()
    commits = CommitsAhead(bus, Patience(), "g")
    for at in (0, 1, 2, 3):
        commits.give([(hop(at), lambda: None)])
        if at == 1:
            assert done(commits) == []
        time.sleep(0.02)
    errors = [(refused.place, type(refused.error)) for refused in done(commits)]
    assert errors[0] == (("t", 0), BusFull) and set(errors[1:]) <= {(("t", 0), BusFull), (("t", 0), PositionMoved)}
    commits.give([(hop(0), lambda: None)])
    assert [type(refused.error) for refused in done(commits)] == [PositionMoved]
    assert bus.counts() == {"n": 2}
    commits.close()


def test_hops_that_do_not_follow_on_each_other_are_steps_of_their_own() -> None:
    bus = SlowBus()
    commits = CommitsAhead(bus, Patience(), "g")
    commits.give([(hop(0), lambda: None), (hop(5), lambda: None), (hop(1), lambda: None)])
    bus.let.set()
    assert [type(refused.error) for refused in done(commits)] == [PositionMoved]
    assert bus.position("g", "t", 0) == Position(2, 0) and bus.steps == [1, 1, 1]
    commits.close()


def test_an_error_that_no_try_cures_is_raised_in_the_flow() -> None:
    bus = SlowBus()
    bus.broken = True
    bus.let.set()
    commits = CommitsAhead(bus, Patience(), "g")
    commits.give([(hop(0), lambda: None)])
    commits.close()
    for ask in (commits.refused, commits.busy, lambda: commits.give([])):
        with pytest.raises(BusError, match="too large"):
            ask()
