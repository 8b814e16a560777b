"""Ingest: raw topics to checked topics and dead letters, moved in one step with the position.

python -m bytewax.run flows.ingest:flow
"""

from __future__ import annotations

import logging

import bytewax.operators as op
from bytewax.dataflow import Dataflow

from flows.bus_io import BusSource, HandlerSink, Item, Tick
from flows.check import check
from flows.feed import Feed, Polled
from flows.runtime import Runtime, open_runtime
from flows.trim import Trimmer
from rapport.bus.protocol import Position
from rapport.bus.retry import Patience, Stopped, commit_surely
from rapport.errors import BusFull, PositionMoved
from rapport.events.block import CHECKED_SUFFIX
from rapport.events.schema import TOPICS

__all__ = ["GROUP", "flow", "ingest"]

GROUP = "ingest"
"""The group of consumers whose positions say what has been ingested."""

_WAIT_WHILE_FULL_S = 0.5
_log = logging.getLogger(__name__)


class Ingester:
    """Checks what was read and commits what came of it; waits out a Redis or a Schema Registry that does not
    answer, and goes back to the stored position when another worker has moved it."""

    def __init__(self, feed: Feed, patience: Patience, runtime: Runtime, trimmer: Trimmer) -> None:
        self._feed = feed
        self._patience = patience
        self._runtime = runtime
        self._trimmer = trimmer

    def handle(self, item: Item) -> None:
        if isinstance(item, Tick):
            self._trimmer.tick()
        elif not self._feed.is_void(item):
            self._ingest(item)

    def close(self) -> None:
        """Nothing is held: each batch was committed when it came."""

    def _ingest(self, polled: Polled) -> None:
        batch, runtime = polled.batch, self._runtime
        partitions = runtime.bus.partitions(batch.topic + CHECKED_SUFFIX)
        try:
            checked = self._patience.call(
                lambda: check(batch, partitions, runtime.world_us, runtime.claim, runtime.formats)
            )
            commit_surely(
                self._feed.bus,
                self._patience,
                GROUP,
                batch.topic,
                batch.partition,
                expected=polled.after,
                position=batch.positions[-1],
                outputs=checked.outputs,
                counts=checked.counts,
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

    def start(topic: str, partition: int) -> Position:
        # Since it was read last, if ever, another worker may have claimed ids.
        runtime.forget(topic, partition)
        return bus.position(GROUP, topic, partition)

    feed = Feed(bus, TOPICS, start, runtime.stop, share=runtime.share)
    trimmer = Trimmer(bus, feed.places, dict.fromkeys(TOPICS, (GROUP,)))
    raw = op.input("ingest_raw", flow, BusSource(feed, drain=drain))
    # Polled | Tick
    # Checked and committed in one step: what is claimed and not committed yet is then of one batch only.
    op.output("ingest_commit", raw, HandlerSink(lambda: Ingester(feed, Patience(runtime.stop), runtime, trimmer)))


def flow() -> Dataflow:
    """The ingest and archive branches of this installation as a dataflow of their own, ended by SIGTERM."""
    from flows.archive import archive

    runtime = open_runtime()
    made = Dataflow("ingest")
    ingest(made, runtime)
    archive(made, runtime)
    return made
