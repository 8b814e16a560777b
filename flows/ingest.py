"""Ingest: raw topics to checked topics and dead letters, moved in one step with the position.

python -m bytewax.run flows.ingest:flow
"""

from __future__ import annotations

import bytewax.operators as op
from bytewax.dataflow import Dataflow

from flows.bus_io import BusSource, HandlerSink, Item, Tick
from flows.check import Checked, check
from flows.feed import Feed, Polled
from flows.hops import HopCommitter
from flows.runtime import Runtime, open_runtime
from flows.trim import Trimmer
from rapport.bus.protocol import Position, RecordBatch
from rapport.bus.retry import Patience, Stopped
from rapport.events.block import CHECKED_SUFFIX
from rapport.events.schema import TOPICS
from rapport.metrics.measures import since

__all__ = ["GROUP", "flow", "ingest"]

GROUP = "ingest"
"""The group of consumers whose positions say what has been ingested."""


class Ingester:
    """Checks what was read and commits what came of it; waits out a Redis or a Schema Registry that does not
    answer, and goes back to the stored position when another worker has moved it."""

    def __init__(self, feed: Feed, patience: Patience, runtime: Runtime, trimmer: Trimmer) -> None:
        self._feed = feed
        self._patience = patience
        self._runtime = runtime
        self._committer = HopCommitter(feed, GROUP, patience, ahead=True)
        self._trimmer = trimmer

    def handle(self, item: Item) -> None:
        if isinstance(item, Tick):
            self._trimmer.tick()
        elif not self._feed.is_void(item):
            self._ingest(item)

    def flush(self) -> None:
        self._committer.flush()

    def close(self) -> None:
        """What is being committed is waited for."""
        self._committer.close()

    def _ingest(self, polled: Polled) -> None:
        batch, runtime = polled.batch, self._runtime
        partitions, placed = runtime.bus.partitions(batch.topic + CHECKED_SUFFIX), runtime.bus.foretells
        try:
            with self._feed.stage.timed(batch.topic):
                checked = self._patience.call(
                    lambda: check(batch, partitions, runtime.world_us, runtime.claim, runtime.formats, placed=placed)
                )
        except Stopped:
            self._feed.rewind(batch.topic, batch.partition)
            return
        hop = self._committer.add(polled, checked.outputs, checked.counts, lambda: self._measure(batch, checked))
        runtime.bus.foretell(batch.topic + CHECKED_SUFFIX, hop)

    def _measure(self, batch: RecordBatch, checked: Checked) -> None:
        stage = self._feed.stage
        stage.done(batch.topic, len(batch), len(batch))
        stage.waited(batch.topic, since(batch.arrivals_us))
        stage.late(batch.topic, checked.lateness_us)
        stage.dead(batch.topic, checked.dead)


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

    feed = Feed(bus, GROUP, TOPICS, start, runtime.stop, share=runtime.share, measures=runtime.measures)
    trimmer = Trimmer(bus, lambda: feed.places, dict.fromkeys(TOPICS, (GROUP,)))
    raw = op.input("ingest_raw", flow, BusSource(feed, drain=drain))
    # Polled | Tick
    # Checked in one step, and committed in a thread beside it where the bus takes its time for that.
    op.output("ingest_commit", raw, HandlerSink(lambda: Ingester(feed, Patience(runtime.stop), runtime, trimmer)))


def flow() -> Dataflow:
    """The ingest and archive branches of this installation as a dataflow of their own, ended by SIGTERM."""
    from flows.archive import archive

    runtime = open_runtime()
    made = Dataflow("ingest")
    ingest(made, runtime)
    archive(made, runtime)
    return made
