"""Committing what came of batches, and reading again where that was refused."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from flows.feed import Feed, Polled
from rapport.bus.protocol import Hop, Message
from rapport.bus.retry import Patience, Stopped, commit_all_surely
from rapport.errors import BusFull

__all__ = ["HopCommitter"]

_WAIT_WHILE_FULL_S = 0.5
_log = logging.getLogger(__name__)


class HopCommitter:
    """Commits hops of a feed: those that came together in one step where the bus has such a step, else each at once.

    Args:
        feed: where the batches came from.
        group: whose positions move.
        patience: for a bus that does not answer.
    """

    def __init__(self, feed: Feed, group: str, patience: Patience) -> None:
        self._feed = feed
        self._group = group
        self._patience = patience
        self._waiting: list[tuple[Polled, Callable[[], None]]] = []
        self._hops: list[Hop] = []

    def add(
        self,
        polled: Polled,
        outputs: Sequence[Message] = (),
        counts: Mapping[str, int] | None = None,
        committed: Callable[[], None] = lambda: None,
    ) -> None:
        """What came of a batch: commit it, now or with the others. `committed` is called when that was done."""
        batch = polled.batch
        self._waiting.append((polled, committed))
        self._hops.append(Hop(batch.topic, batch.partition, polled.after, batch.positions[-1], outputs, counts))
        if not self._feed.bus.one_step:
            self.flush()

    def flush(self) -> None:
        """Commit what waits."""
        waiting, self._waiting = self._waiting, []
        hops, self._hops = self._hops, []
        both = zip(waiting, hops, strict=True)
        sound = [(committed, hop) for (polled, committed), hop in both if not self._feed.is_void(polled)]
        if not sound:
            return
        try:
            refused = commit_all_surely(self._feed.bus, self._patience, self._group, [hop for _, hop in sound])
        except Stopped:
            for _, hop in sound:
                self._feed.rewind(hop.topic, hop.partition)
            return
        for (committed, hop), error in zip(sound, refused, strict=True):
            if isinstance(error, BusFull):
                # Never waited for here: what frees the bus may be a branch of this very worker.
                _log.warning("%s of %s/%d waits: %s", self._group, hop.topic, hop.partition, error)
                self._feed.rewind(hop.topic, hop.partition, wait_s=_WAIT_WHILE_FULL_S)
            elif error is not None:
                _log.info("reading again: %s", error)
                self._feed.rewind(hop.topic, hop.partition)
            else:
                committed()
