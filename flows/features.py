"""The features branch: checked events into the online store's rows, then the position.

python -m bytewax.run flows.features:flow

The rows carry the positions they have seen, so whatever is read again after a crash counts once.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TypeAlias

import bytewax.operators as op
import redis
from bytewax.dataflow import Dataflow

from flows.beginning import Beginning
from flows.bus_io import BusSource, HandlerSink, Item, Tick
from flows.check import CHECKED_SUFFIX
from flows.declared import Declared
from flows.feed import Feed, Polled
from flows.runtime import Runtime, open_runtime
from rapport.bus.protocol import Position, RecordBatch
from rapport.bus.retry import Patience, Stopped, commit_surely
from rapport.errors import DeclarationError, Fenced, PositionMoved, RowCorrupt
from rapport.events.codec import decode_rows, events_of
from rapport.events.columns import BASE
from rapport.events.derive import Row
from rapport.events.schema import TOPICS
from rapport.online import WRITE_TIMEOUT_S, ApplyReport, Keeping, Layouts, OnlineWriter, connect, warm_up
from rapport.settings import Settings

__all__ = ["GROUP", "Updater", "features", "flow", "load_declared"]

GROUP = "features"
"""The group of consumers whose positions say which checked events are in the online store."""

_CUSTOMER = list(BASE).index("customer_id")
_MAX_RECORDS = 4_000
_log = logging.getLogger(__name__)
Step: TypeAlias = Polled | Tick


class Updater:
    """Applies batches of checked records to the online store.

    Args:
        client: Redis, for the rows.
        declared: the views.
    """

    def __init__(self, client: redis.Redis, declared: Declared) -> None:
        self._plans = declared.plans
        layouts = Layouts(client, declared.project, declared.all_plans())
        keeping = Keeping(client, declared.project)
        self._writers = {
            topic: OnlineWriter(client, declared.project, plans, layouts=layouts, keeping=keeping)
            for topic, plans in declared.plans.items()
        }

    def apply(self, batch: RecordBatch) -> ApplyReport:
        """Add a batch of a checked topic to the rows of all views over it. Safe to repeat.

        Raises:
            StoreUnavailable
            Fenced: other workers keep writing the same rows.
        """
        topic = batch.topic.removesuffix(CHECKED_SUFFIX)
        writer = self._writers.get(topic)
        if writer is None:
            return ApplyReport()
        rows, positions = _decoded(topic, batch)
        columns = sorted({name for plan in self._plans[topic] for name in plan.columns})
        customers = [str(row[_CUSTOMER]) for row in rows]
        report = writer.apply(customers, positions, batch.partition, events_of(topic, rows, columns))
        for view, rows_damaged in Counter(view for _, view in report.damaged).items():
            # Customer ids are personal data, and logs are no place for them; `rapport features` shows a damaged row.
            _log.error("%d stored rows of view %s are damaged and were left as they are", rows_damaged, view)
        return report


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
        try:
            self._patience.call(lambda: self._updater.apply(item.batch))
        except (Fenced, Stopped) as error:
            # Records behind these must not be applied first: the rows' marks would then pass over these.
            _log.warning("reading %s/%d again: %s", item.batch.topic, item.batch.partition, error)
            self._feed.rewind(item.batch.topic, item.batch.partition)
            return None
        return item


class PositionCommitter:
    """Commits the positions of what has been applied."""

    def __init__(self, feed: Feed, patience: Patience) -> None:
        self._feed = feed
        self._patience = patience

    def handle(self, item: Polled) -> None:
        if self._feed.is_void(item):
            return
        batch = item.batch
        try:
            commit_surely(
                self._feed.bus,
                self._patience,
                GROUP,
                batch.topic,
                batch.partition,
                expected=item.after,
                position=batch.positions[-1],
            )
        except PositionMoved as error:
            _log.info("reading again: %s", error)
            self._feed.rewind(batch.topic, batch.partition)
        except Stopped:
            self._feed.rewind(batch.topic, batch.partition)

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
    feed = Feed(bus, topics, beginning.start, runtime.stop, share=runtime.share, max_records=_MAX_RECORDS)
    updater = Updater(client, declared)
    checked = op.input("features_checked", flow, BusSource(feed, drain=drain))
    # Polled | Tick
    applied = op.filter_map("features_apply", checked, Applier(feed, patience, updater).step)
    # Polled
    op.output("features_commit", applied, HandlerSink(lambda: PositionCommitter(feed, patience)))


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
    warm_up(plan for some in plans.values() for plan in some)
    return Declared(store.project, plans)


def flow() -> Dataflow:
    """The features branch of this installation as a dataflow of its own, ended by SIGTERM."""
    runtime = open_runtime()
    made = Dataflow("features")
    features(made, runtime, load_declared(runtime.settings))
    return made


def _decoded(topic: str, batch: RecordBatch) -> tuple[list[Row], list[Position]]:
    try:
        return decode_rows(topic, batch.values), batch.positions
    except RowCorrupt as error:
        # The archive branch reports such records to the dead letters.
        _log.error("%s are left out of the features", error)
        bad = set(error.rows)
    good = [at for at in range(len(batch)) if at not in bad]
    return decode_rows(topic, [batch.values[at] for at in good]), [batch.positions[at] for at in good]
