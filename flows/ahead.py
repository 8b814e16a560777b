"""Commits in a thread of their own, so that the flow goes on while the bus takes its time to commit.

What may be committed, and whether it was, does not change: each hop says which position it starts from, and the bus
refuses it anywhere else. Several hops of a partition that follow on each other become one.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rapport.bus.protocol import Bus, Hop, Place
from rapport.bus.retry import Patience, Stopped, commit_all_surely
from rapport.errors import BusError

__all__ = ["CommitsAhead", "Refused"]

_MOST_WAITING = 32_000
"""Records that may wait for the transaction before theirs; then the flow waits too."""
_ENOUGH = _MOST_WAITING // 2
"""Records that are worth a step at once."""
_APART_S = 0.05
"""From the start of a step to that of the next one: a step costs the bus about the same however much it holds. Features
do not wait for it (`Bus.foretell`)."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A place whose hop was not committed: why, or None when the process was asked to stop."""

    place: Place
    error: BusError | None


class CommitsAhead:
    """A thread that commits what it is given, in order. Made, given to and closed by one thread.

    Args:
        bus: the bus; one that makes one step of several hops.
        patience: for a bus that does not answer.
        group: whose positions move.
    """

    def __init__(self, bus: Bus, patience: Patience, group: str) -> None:
        self._bus = bus
        self._patience = patience
        self._group = group
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Hop, Callable[[], None]]] = deque()
        self._under_way = False
        self._next_s = 0.0
        self._records = 0
        self._refused: list[Refused] = []
        self._closing = False
        self._failed: Exception | None = None
        self._thread: threading.Thread | None = None

    def give(self, hops: Sequence[tuple[Hop, Callable[[], None]]]) -> None:
        """Have these committed; each one's function is called then, in the thread. Returns when there is room.

        Raises:
            BusError: what cannot be committed, of these or of those before; nothing can be any more.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"commits-{self._group}", daemon=True)
            self._thread.start()
        with self._changed:
            self._waiting.extend(hops)
            self._records += sum(map(_records, hops))
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._records < _MOST_WAITING or self._failed)
        self._check()

    def refused(self) -> list[Refused]:
        """What was not committed, since the last call.

        Raises:
            BusError: as `give`.
        """
        self._check()
        with self._changed:
            refused, self._refused = self._refused, []
        return refused

    def busy(self) -> bool:
        """Whether something is not committed yet, or was refused and nobody has asked for it.

        Raises:
            BusError: as `give`.
        """
        self._check()
        with self._changed:
            return bool(self._waiting or self._under_way or self._refused)

    def close(self) -> None:
        """Return when all has been committed, or cannot be."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _check(self) -> None:
        if self._failed is not None:
            raise self._failed

    def _run(self) -> None:
        try:
            while self._step():
                pass
        except Exception as error:  # a thread has nobody above it: the flow is told
            with self._changed:
                self._failed = error
                self._changed.notify_all()

    def _step(self) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            left_s = self._next_s - time.monotonic()
            self._changed.wait_for(lambda: self._closing or self._records >= _ENOUGH, max(left_s, 0))
            if not self._waiting:
                return False
            some = _one_step(self._waiting)
            self._records -= sum(_records(one) for each in some.values() for one in each)
            self._under_way = True
            self._next_s = time.monotonic() + _APART_S
            self._changed.notify_all()
        refused = self._commit(some)
        with self._changed:
            self._under_way = False
            self._refused += refused
        return True

    def _commit(self, some: dict[Place, list[tuple[Hop, Callable[[], None]]]]) -> list[Refused]:
        hops = [_as_one([hop for hop, _ in each]) for each in some.values()]
        try:
            errors = commit_all_surely(self._bus, self._patience, self._group, hops)
        except Stopped:
            return [Refused(place, None) for place in some]
        refused = []
        for (place, each), error in zip(some.items(), errors, strict=True):
            if error is not None:
                refused.append(Refused(place, error))
                continue
            for _, committed in each:
                committed()
        return refused


def _records(waiting: tuple[Hop, Callable[[], None]]) -> int:
    """How many records a hop has gone over."""
    hop, _ = waiting
    return hop.position.hi - hop.expected.hi


def _one_step(
    waiting: deque[tuple[Hop, Callable[[], None]]],
) -> dict[Place, list[tuple[Hop, Callable[[], None]]]]:
    """Take the first hops that can be made in one step: each starts where the one before it of its place ends."""
    taken: dict[Place, list[tuple[Hop, Callable[[], None]]]] = {}
    while waiting:
        hop = waiting[0][0]
        before = taken.setdefault((hop.topic, hop.partition), [])
        if before and before[-1][0].position != hop.expected:
            break
        before.append(waiting.popleft())
    return taken


def _as_one(hops: Sequence[Hop]) -> Hop:
    first, last = hops[0], hops[-1]
    if first is last:
        return first
    counts: Counter[str] = Counter()
    for hop in hops:
        counts.update(hop.counts or {})
    outputs = [message for hop in hops for message in hop.outputs]
    return Hop(first.topic, first.partition, first.expected, last.position, outputs, counts)
