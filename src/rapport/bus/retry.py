"""Waiting out a bus that does not answer, without losing or doubling anything."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from rapport.bus.protocol import Bus, Hop, Message, Position
from rapport.errors import BusError, BusUnavailable, RegistryUnavailable, StoreUnavailable

__all__ = ["Patience", "Stopped", "commit_all_surely", "commit_surely"]

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class Stopped(Exception):  # noqa: N818 - a request to end, not an error
    """The process is asked to end while it waits; what it held has not been committed and will be read again."""


class Patience:
    """Repeats a call until it succeeds or the process is asked to stop; waits longer each time.

    Args:
        stop: set when the process shall end.
        first_s, longest_s: the first and the longest wait between two tries, seconds.
    """

    def __init__(self, stop: threading.Event | None = None, *, first_s: float = 0.02, longest_s: float = 2.0) -> None:
        self.stop = stop or threading.Event()
        self._first_s = first_s
        self._longest_s = longest_s

    def call(self, what: Callable[[], _T]) -> _T:
        """The result of `what`, tried again while the bus, the store or the Schema Registry is unavailable.

        Raises:
            Stopped: `stop` was set while it had not succeeded.
        """
        wait_s = self._first_s
        while True:
            try:
                return what()
            except (BusUnavailable, RegistryUnavailable, StoreUnavailable) as error:
                _log.warning("trying again in %.2f s: %s", wait_s, error)
            if self.stop.wait(wait_s):
                raise Stopped("asked to stop while waiting for the bus")
            wait_s = min(wait_s * 2, self._longest_s)


def commit_surely(
    bus: Bus,
    patience: Patience,
    group: str,
    topic: str,
    partition: int,
    *,
    expected: Position,
    position: Position,
    outputs: Sequence[Message] = (),
    counts: Mapping[str, int] | None = None,
) -> None:
    """Bus.commit, through failures: a commit whose answer was lost is looked up, never made twice.

    Raises:
        PositionMoved: another worker has the partition.
        BusFull: a topic of the outputs is at its limit; nothing was done.
        Stopped
    """
    tried = False

    def once() -> None:
        nonlocal tried
        if tried and bus.position(group, topic, partition) == position:
            return
        tried = True
        bus.commit(group, topic, partition, expected=expected, position=position, outputs=outputs, counts=counts)

    patience.call(once)


def commit_all_surely(bus: Bus, patience: Patience, group: str, hops: Sequence[Hop]) -> list[BusError | None]:
    """Bus.commit_all, through failures, as commit_surely does it.

    Returns:
        For each hop None, or the PositionMoved or BusFull for which it was refused.

    Raises:
        Stopped
    """
    tried = False

    def once() -> list[BusError | None]:
        nonlocal tried
        left = hops
        if tried:
            left = [hop for hop in hops if bus.position(group, hop.topic, hop.partition) != hop.position]
        tried = True
        refused = dict(zip(map(id, left), bus.commit_all(group, left), strict=True))
        return [refused.get(id(hop)) for hop in hops]

    return patience.call(once)
