"""The features branch: checked events into the online store's rows, then the position.

python -m bytewax.run flows.features:flow

The rows carry the positions they have seen, so whatever is read again after a crash counts once.
"""

from __future__ import annotations

import logging
from typing import TypeAlias

import bytewax.operators as op
import pyarrow as pa
from bytewax.dataflow import Dataflow

from flows.beginning import Beginning
from flows.bus_io import BusSource, HandlerSink, Item, Tick
from flows.declared import Declared
from flows.feed import Feed, Polled
from flows.hops import HopCommitter
from flows.runtime import Runtime, open_runtime
from flows.updater import Updater
from rapport.bus.retry import Patience, Stopped
from rapport.errors import DeclarationError, Fenced
from rapport.events.block import CHECKED_SUFFIX, rows_in
from rapport.events.schema import TOPICS
from rapport.metrics.measures import SinceInWorld
from rapport.online import WRITE_TIMEOUT_S, ApplyReport, connect, warm_up_writing
from rapport.settings import Settings

__all__ = ["GROUP", "Updater", "features", "flow", "load_declared"]

GROUP = "features"
"""The group of consumers whose positions say which checked events are in the online store."""

_log = logging.getLogger(__name__)
Step: TypeAlias = Polled | Tick


class Applier:
    """A step of the flow: applies what was read, and waits out a store that does not answer."""

    def __init__(self, feed: Feed, patience: Patience, updater: Updater) -> None:
        self._feed = feed
        self._patience = patience
        self._updater = updater

    def step(self, item: Item) -> Step | None:
        """The item, applied; None when its records are void, fenced off, or the process is asked to end."""
        if isinstance(item, Tick) or self._feed.is_void(item):
            return None
        batch, stage = item.batch, self._feed.stage
        try:
            with stage.timed(batch.topic):
                self._patience.call(lambda: self._updater.apply(batch))
        except (Fenced, Stopped) as error:
            # Records behind these must not be applied first: the rows' marks would then pass over these.
            _log.warning("reading %s/%d again: %s", batch.topic, batch.partition, error)
            if isinstance(error, Fenced):
                stage.rows(batch.topic, {"fenced": 1})
            self._feed.rewind(batch.topic, batch.partition)
            return None
        stage.done(batch.topic, len(batch), sum(map(rows_in, batch.values)))
        return item


class PositionCommitter:
    """Commits the positions of what has been applied."""

    def __init__(self, feed: Feed, patience: Patience) -> None:
        self._committer = HopCommitter(feed, GROUP, patience)

    def handle(self, item: Polled) -> None:
        self._committer.add(item)

    def flush(self) -> None:
        self._committer.flush()

    def close(self) -> None:
        """Nothing is held: each position was committed when it came."""


def features(flow: Dataflow, runtime: Runtime, declared: Declared, *, drain: bool = False) -> None:
    """Add the features branch to a dataflow.

    Args:
        flow: the dataflow.
        runtime: the bus, the settings and what else the flows need.
        declared: the views; read once, so a changed registry is picked up at the next start.
        drain: end when everything has been read.
    """
    bus, patience = runtime.bus, Patience(runtime.stop)
    # Topics without a view are read too: their positions let the bus forget what everybody has seen.
    topics = [topic + CHECKED_SUFFIX for topic in TOPICS]
    client = connect(runtime.settings, timeout_s=WRITE_TIMEOUT_S)
    beginning = Beginning(bus, runtime.archive, GROUP, declared, client, runtime.world_us)
    # What is applied and not committed yet is read again if it has to be, and the rows' marks know it.
    feed = Feed(
        bus, GROUP, topics, beginning.start, runtime.stop, share=runtime.share, measures=runtime.measures, foretold=True
    )

    since_in_world = SinceInWorld(runtime.world_us)

    def measure(topic: str, rows: pa.RecordBatch, report: ApplyReport) -> None:
        feed.stage.waited(topic, since_in_world(rows.column("arrival_time_us").to_numpy()))
        feed.stage.rows(topic, _results(report))

    updater = Updater(client, declared, measure)
    checked = op.input("features_checked", flow, BusSource(feed, drain=drain))
    # Polled | Tick
    applied = op.filter_map("features_apply", checked, Applier(feed, patience, updater).step)
    # Polled
    op.output("features_commit", applied, HandlerSink(lambda: PositionCommitter(feed, patience)))


def _results(report: ApplyReport) -> dict[str, int]:
    return {
        "written": report.rows,
        "reloaded": report.reloaded,
        "replayed": report.replayed,
        "damaged": len(report.damaged),
    }


def load_declared(settings: Settings) -> Declared:
    """The windowed views in the Feast registry, their code compiled.

    Raises:
        DeclarationError: there are none, or one cannot be computed.
    """
    # Feast takes seconds to import.
    from rapport.feast.catalog import open_store, plans_by_topic

    store = open_store(settings)
    plans = plans_by_topic(store)
    if not plans:
        raise DeclarationError(
            f"the Feast registry of {settings.root} has no windowed views: declare them in feature_repo/ and run "
            "`feast apply`"
        )
    for topic in plans.keys() - set(TOPICS):
        names = ", ".join(plan.view.name for plan in plans[topic])
        _log.warning("nothing feeds topic %s, which %s read; the event topics are %s", topic, names, ", ".join(TOPICS))
    for some in plans.values():
        warm_up_writing(some)
    return Declared(store.project, plans)


def flow() -> Dataflow:
    """The features branch of this installation as a dataflow of its own, ended by SIGTERM."""
    runtime = open_runtime()
    made = Dataflow("features")
    features(made, runtime, load_declared(runtime.settings))
    return made
