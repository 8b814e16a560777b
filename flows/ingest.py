"""Ingest: raw topics to checked topics and dead letters, moved in one step with the position.

python -m bytewax.run flows.ingest:flow
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import bytewax.operators as op
from bytewax.dataflow import Dataflow

from flows.bus_io import BusSource, HandlerSink, Item, Tick
from flows.check import Checked, Claim, check
from flows.feed import Feed, Polled
from flows.runtime import Runtime, open_runtime
from flows.trim import Trimmer
from rapport.bus.retry import Patience, Stopped, commit_surely
from rapport.errors import BusFull, PositionMoved
from rapport.events.decode import Registered
from rapport.events.schema import TOPICS

__all__ = ["GROUP", "flow", "ingest"]

GROUP = "ingest"
"""The group of consumers whose positions say what has been ingested."""

_WAIT_WHILE_FULL_S = 0.5
_log = logging.getLogger(__name__)


class Hop(NamedTuple):
    """A batch that was read, and what came of it."""

    polled: Polled
    checked: Checked


Step: TypeAlias = Hop | Tick


class Checker:
    """Turns what was read into what is to be committed; waits out a Redis or a Schema Registry that does not answer."""

    def __init__(
        self,
        feed: Feed,
        patience: Patience,
        world_us: Callable[[int], int],
        claim: Claim,
        formats: Registered | None = None,
    ) -> None:
        self._feed = feed
        self._patience = patience
        self._world_us = world_us
        self._claim = claim
        self._formats = formats

    def step(self, item: Item) -> Step | None:
        """The item's hop; None when its records are void, or the process is asked to end."""
        if isinstance(item, Tick):
            return item
        if self._feed.is_void(item):
            return None
        try:
            checked = self._patience.call(lambda: check(item.batch, self._world_us, self._claim, self._formats))
            return Hop(item, checked)
        except Stopped:
            return None


class Committer:
    """Commits hops, and goes back to the stored position when another worker has moved it."""

    def __init__(self, feed: Feed, patience: Patience, trimmer: Trimmer) -> None:
        self._feed = feed
        self._patience = patience
        self._trimmer = trimmer

    def handle(self, item: Step) -> None:
        if isinstance(item, Tick):
            self._trimmer.tick()
        elif not self._feed.is_void(item.polled):
            self._commit(item)

    def close(self) -> None:
        """Nothing is held: each hop was committed when it came."""

    def _commit(self, hop: Hop) -> None:
        batch = hop.polled.batch
        try:
            commit_surely(
                self._feed.bus,
                self._patience,
                GROUP,
                batch.topic,
                batch.partition,
                expected=hop.polled.after,
                position=batch.positions[-1],
                outputs=hop.checked.outputs,
                counts=hop.checked.counts,
            )
        except PositionMoved as error:
            _log.info("reading again: %s", error)
            self._feed.rewind(batch.topic, batch.partition)
        except BusFull as error:
            # Never waited for here: what frees the bus may be a branch of this very worker.
            _log.warning("ingest of %s/%d waits: %s", batch.topic, batch.partition, error)
            self._feed.rewind(batch.topic, batch.partition, wait_s=_WAIT_WHILE_FULL_S)
        except Stopped:
            self._feed.rewind(batch.topic, batch.partition)


def ingest(flow: Dataflow, runtime: Runtime, *, drain: bool = False) -> None:
    """Add the ingest branch to a dataflow.

    Args:
        flow: the dataflow.
        runtime: the bus, the clock and what else the flows need.
        drain: end when everything has been read.
    """
    bus = runtime.bus
    feed = Feed(bus, TOPICS, lambda topic, part: bus.position(GROUP, topic, part), runtime.stop, share=runtime.share)
    patience = Patience(runtime.stop)
    checker = Checker(feed, patience, runtime.world_us, runtime.claim, runtime.formats)
    raw = op.input("ingest_raw", flow, BusSource(feed, drain=drain))
    # Polled | Tick
    checked = op.filter_map("ingest_check", raw, checker.step)
    # Hop | Tick
    groups = dict.fromkeys(TOPICS, (GROUP,))
    op.output(
        "ingest_commit", checked, HandlerSink(lambda: Committer(feed, patience, Trimmer(bus, feed.places, groups)))
    )


def flow() -> Dataflow:
    """The ingest and archive branches of this installation as a dataflow of their own, ended by SIGTERM."""
    from flows.archive import archive

    runtime = open_runtime()
    made = Dataflow("ingest")
    ingest(made, runtime)
    archive(made, runtime)
    return made
