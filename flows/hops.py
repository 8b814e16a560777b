"""Committing what came of batches, and reading again where that was refused."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from flows.ahead import CommitsAhead
from flows.feed import Feed, Polled
from rapport.bus.protocol import Hop, Message, Place
from rapport.bus.retry import Patience, Stopped, commit_all_surely
from rapport.errors import BusError, BusFull

__all__ = ["HopCommitter"]

_WAIT_WHILE_FULL_S = 0.5
_log = logging.getLogger(__name__)


class HopCommitter:
    """Commits hops of a feed: those that came together in one step where the bus has such a step, else each at once.

    Args:
        feed: where the batches came from.
        group: whose positions move.
        patience: for a bus that does not answer.
        ahead: where the bus makes one step of several hops, make it in a thread of its own, while the flow goes on.
    """

    def __init__(self, feed: Feed, group: str, patience: Patience, *, ahead: bool = False) -> None:
        self._feed = feed
        self._group = group
        self._patience = patience
        self._waiting: list[tuple[Polled, Hop, Callable[[], None]]] = []
        self._ahead = CommitsAhead(feed.bus, patience, group) if ahead and feed.bus.one_step else None
        if self._ahead is not None:
            feed.unfinished = self._ahead.busy

    def add(
        self,
        polled: Polled,
        outputs: Sequence[Message] = (),
        counts: Mapping[str, int] | None = None,
        committed: Callable[[], None] = lambda: None,
    ) -> Hop:
        """What came of a batch: commit it, now or with the others. `committed` is called when that was done, by
        whichever thread did it."""
        batch = polled.batch
        hop = Hop(batch.topic, batch.partition, polled.after, batch.positions[-1], outputs, counts)
        self._waiting.append((polled, hop, committed))
        if not self._feed.bus.one_step:
            self.flush()
        return hop

    def flush(self) -> None:
        """Commit what waits."""
        if self._ahead is not None:
            for refused in self._ahead.refused():
                self._read_again(refused.place, refused.error)
        waiting, self._waiting = self._waiting, []
        sound = [(hop, committed) for polled, hop, committed in waiting if not self._feed.is_void(polled)]
        if not sound:
            return
        if self._ahead is not None:
            self._ahead.give(sound)
            return
        try:
            errors = commit_all_surely(self._feed.bus, self._patience, self._group, [hop for hop, _ in sound])
        except Stopped:
            for hop, _ in sound:
                self._read_again((hop.topic, hop.partition), None)
            return
        for (hop, committed), error in zip(sound, errors, strict=True):
            if error is None:
                committed()
            else:
                self._read_again((hop.topic, hop.partition), error)

    def close(self) -> None:
        """Return when what was flushed is committed, or cannot be."""
        if self._ahead is not None:
            self._ahead.close()

    def _read_again(self, place: Place, error: BusError | None) -> None:
        if isinstance(error, BusFull):
            # Never waited for here: what frees the bus may be a branch of this very worker.
            _log.warning("%s of %s/%d waits: %s", self._group, *place, error)
            self._feed.rewind(*place, wait_s=_WAIT_WHILE_FULL_S)
            return
        if error is not None:
            _log.info("reading again: %s", error)
        self._feed.rewind(*place)
