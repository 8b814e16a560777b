"""The triggers branch: checked events and the passing of time into firings on the topic `triggers`.

python -m bytewax.run flows.triggers:flow

Where it stands is kept with its timers, in one step with what came of each batch (rapport.triggers.store). Firings lie
in an outbox there until the bus has them: a position on their topic is the number of the last one, so that each is
published once, whenever this process is killed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import bytewax.operators as op
import pyarrow as pa
from bytewax.dataflow import Dataflow

from flows.bus_io import BusSource, HandlerSink, Item, Tick
from flows.delivery import GROUP as DELIVERY
from flows.delivery import deliver
from flows.feed import Feed, Polled
from flows.horizon import Horizon
from flows.proactive import Proactive, open_proactive
from flows.runtime import Runtime, keep_out_of_the_collectors_way, open_runtime
from flows.trim import trim_older
from rapport.bus.protocol import Bus, Position
from rapport.bus.retry import Patience, Stopped, commit_surely
from rapport.errors import BusError, BusFull, DeclarationError, PositionMoved, RowCorrupt, StoreUnavailable
from rapport.events.block import CHECKED_SUFFIX, joined, read_blocks
from rapport.metrics.measures import SinceInWorld
from rapport.online import WRITE_TIMEOUT_S, connect
from rapport.settings import Settings
from rapport.triggers.deciding import decide_firings
from rapport.triggers.declared import Cap
from rapport.triggers.engine import Engine, Stored
from rapport.triggers.features import FeatureReader, check_features
from rapport.triggers.file import FILE, TRIGGERS_TOPIC
from rapport.triggers.load import load_triggers
from rapport.triggers.state import CHECKS, TIMERS, Changes, Due, Pair
from rapport.triggers.store import TriggerStore, ask_queue

__all__ = ["GROUP", "Watch", "Watcher", "flow", "load_watch", "triggers"]

GROUP = "triggers"
"""The group of consumers whose positions say which checked events triggers have looked at."""
FIRED = "triggers.fired"
"""The group whose position on the topic of firings is the number of the last one. It has no readers: on a bus whose
groups have members, only those may move their group's positions."""
FEATURES = "features"
"""The group whose positions say which events are in the features."""

_AT_ONCE = 500
"""Pairs that are looked at in one step."""
_BUDGET_S = 0.2
"""Time in a row for what is due, after which events are read again."""
_TICK_S = 0.05
_TELL_EVERY_S = 0.5
_TRIM_EVERY_S = 60.0
_OUTBOX = 10_000
"""Unpublished firings, from which on no events are read."""
_WAIT_S = 0.5
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Watch:
    """What is declared: the triggers, a reader of their features (None: they need none), what decides for those that
    ask for it (None: none does), and how often a customer is sent something (None: no limit)."""

    engine: Engine
    features: FeatureReader | None = None
    proactive: Proactive | None = None
    cap: Cap | None = None


class Watcher:
    """Takes in batches, and looks at what is due with every tick.

    Args:
        feed: where the batches come from.
        patience: for a bus or a store that does not answer.
        runtime: the world's clock.
        watch: what is declared.
        store: what is kept.
    """

    def __init__(self, feed: Feed, patience: Patience, runtime: Runtime, watch: Watch, store: TriggerStore) -> None:
        self._feed = feed
        self._bus: Bus = feed.bus
        self._patience = patience
        self._runtime = runtime
        self._engine = watch.engine
        self._features = watch.features
        self._proactive = watch.proactive
        self._cap = watch.cap
        self._store = store
        self._topics = [topic + CHECKED_SUFFIX for topic in watch.engine.topics]
        self._horizon = Horizon(feed.bus, self._topics)
        self._untold: set[tuple[str, int]] = set(self._places())
        self._since_in_world = SinceInWorld(runtime.world_us)
        self._tell_s = 0.0
        self._trim_s = time.monotonic() + _TRIM_EVERY_S

    def handle(self, item: Item) -> None:
        try:
            if isinstance(item, Tick):
                self.look()
            elif not self._feed.is_void(item):
                self._take(item)
        except Stopped:
            _log.info("asked to stop; what was not written will be read again")

    def flush(self) -> None:
        """Each batch was written when it came."""

    def close(self) -> None:
        """Look at what is due once more, unless the process has been asked to end; tell the bus how far it is."""
        try:
            if not self._feed.stop.is_set():
                self.look()
            self._publish()
            self._tell()
        except (BusError, StoreUnavailable, Stopped) as error:
            _log.info("the bus was not told yet how far triggers are: %s", error)

    def look(self) -> None:
        """Look at whatever is due: features that can be read, then timers and habits."""
        if not self._store.begun:
            # No partition is ours yet, for which Kafka takes its time.
            return
        try:
            until_s = time.monotonic() + _BUDGET_S
            for place in self._places():
                self._ask(*place, until_s=until_s)
            self._time_passes(until_s)
            self._publish()
            if time.monotonic() >= self._tell_s:
                self._tell_s = time.monotonic() + _TELL_EVERY_S
                self._tell()
            if time.monotonic() >= self._trim_s:
                self._trim_s = time.monotonic() + _TRIM_EVERY_S
                self._trim()
        except (BusError, StoreUnavailable) as error:
            _log.warning("looking at what is due was put off: %s", error)

    def _take(self, polled: Polled) -> None:
        """A batch's changes and its position, in one step; then its firings onto the bus."""
        batch = polled.batch
        topic = batch.topic.removesuffix(CHECKED_SUFFIX)
        rows = joined(topic, _blocks(topic, batch.values))
        ask = Due(ask_queue(batch.topic, batch.partition), batch.positions[-1].hi)

        def write() -> bool:
            # What was read may be in the state already, by another process, or by a step whose answer was lost.
            if self._store.place(batch.topic, batch.partition) > polled.after:
                return False
            changes = self._engine.batch(topic, rows, ask, self._now_us(), self._store.load)
            return self._step(changes, (batch.topic, batch.partition, batch.positions[-1]))

        if self._patience.call(self._store.waiting) >= _OUTBOX:
            self._feed.rewind(batch.topic, batch.partition, wait_s=_WAIT_S)
            self._publish_or_wait()
            return
        with self._feed.stage.timed(batch.topic):
            written = self._patience.call(write)
        if not written:
            self._start_anew()
            return
        self._feed.stage.done(batch.topic, len(batch), len(rows))
        if len(rows):
            arrivals = rows.column("arrival_time_us").to_numpy()
            self._feed.stage.waited(batch.topic, self._since_in_world(arrivals))
            self._horizon.reached(batch.topic, batch.partition, int(arrivals.max()))
        self._untold.add((batch.topic, batch.partition))
        self._publish_or_wait()

    def _ask(self, topic: str, partition: int, *, until_s: float) -> None:
        """Evaluate over features, of customers whose events the features flow has applied."""
        if self._features is None:
            return
        queue = ask_queue(topic, partition)
        if not self._store.due(queue, 2**53, 1):
            return
        applied = self._bus.position(FEATURES, topic, partition).hi
        while pairs := self._store.due(queue, applied, _AT_ONCE):
            asked = self._store.load(pairs)
            causes = {pair: state.armed_us for pair, state in asked.items() if state and state.armed_us > state.done_us}
            changes = self._engine.asks(queue, asked, self._read(causes), self._now_us())
            if not self._write(changes) or time.monotonic() > until_s:
                return

    def _time_passes(self, until_s: float) -> None:
        """Fire timers, and look at habits, up to the time until which everything has been seen."""
        now_us = self._now_us()
        if not self._store.due(TIMERS, now_us, 1) and not self._store.due(CHECKS, now_us, 1):
            return
        horizon_us = self._horizon.at(now_us, self._store.place)
        while pairs := self._store.due(TIMERS, horizon_us, _AT_ONCE):
            if not self._write(self._engine.timers(self._store.load(pairs), horizon_us)):
                return
            if time.monotonic() > until_s:
                break
        if self._store.due(CHECKS, horizon_us, 1) and self._applied():
            self._check(horizon_us, until_s)

    def _check(self, horizon_us: int, until_s: float) -> None:
        while pairs := self._store.due(CHECKS, horizon_us, _AT_ONCE):
            due: Stored = self._store.load(pairs)
            features = self._read({pair: horizon_us for pair, state in due.items() if state})
            spans = self._features.span_us if self._features else lambda feature, as_of_us: 1
            if not self._write(self._engine.checks(due, features, spans, horizon_us)) or time.monotonic() > until_s:
                return

    def _applied(self) -> bool:
        """Whether the features have everything that has been read here."""
        return all(self._bus.position(FEATURES, *place) >= self._store.place(*place) for place in self._places())

    def _read(self, as_of_us: dict[Pair, int]) -> dict[Pair, dict[str, float | None]]:
        """The features of some pairs that still have a trigger, each as of a time of its own."""
        wanted = [pair for pair in as_of_us if pair.trigger in self._engine.triggers]
        if self._features is None or not wanted:
            return {}
        found = self._features.read([pair.customer for pair in wanted], [as_of_us[pair] for pair in wanted])
        return {pair: dict(features) for pair, features in zip(wanted, found, strict=True)}

    def _write(self, changes: Changes) -> bool:
        if self._step(changes):
            return True
        self._start_anew()
        return False

    def _step(self, changes: Changes, place: tuple[str, int, Position] | None = None) -> bool:
        if self._proactive is not None:
            decide = partial(self._proactive.decide, as_of_us=self._now_us(), rate=self._rate(), bus=self._bus)
            decide_firings(changes, self._engine.triggers, self._cap, self._store.load, decide)
        made = self._store.step(changes, place)
        if made:
            self._engine.written(changes)
        return made

    def _start_anew(self) -> None:
        """Somebody has made a step that this process did not know of: go on from what is stored."""
        _log.info("reading again from where the state of the triggers is")
        self._engine.forget()
        self._patience.call(lambda: self._store.begin(self._bus.position(FIRED, TRIGGERS_TOPIC, 0).hi))
        for place in self._feed.places:
            self._feed.rewind(*place)

    def _publish_or_wait(self) -> None:
        try:
            self._publish()
        except (BusError, StoreUnavailable) as error:
            _log.warning("firings wait: %s", error)

    def _publish(self) -> None:
        """Bring the outbox onto the bus, each firing once: the position that moves is the number of the last one."""
        known = self._bus.position(FIRED, TRIGGERS_TOPIC, 0)
        while waiting := self._store.outbox(known.hi, _AT_ONCE):
            position = Position(waiting[-1].number, 0)
            try:
                commit_surely(
                    self._bus,
                    self._patience,
                    FIRED,
                    TRIGGERS_TOPIC,
                    0,
                    expected=known,
                    position=position,
                    outputs=[message for one in waiting for message in one.messages()],
                )
            except PositionMoved as error:
                _log.info("another process publishes: %s", error)
                return
            except BusFull as error:
                _log.warning("firings wait: %s", error)
                return
            known = position
            self._store.published(known.hi)

    def _tell(self) -> None:
        """Move the group's positions on the bus to those of the state: for trimming, and for the lag."""
        for place in sorted(self._untold & set(self._feed.places)):
            reached, known = self._store.place(*place), self._bus.position(GROUP, *place)
            if reached > known:
                try:
                    self._bus.commit(GROUP, *place, expected=known, position=reached)
                except PositionMoved:
                    continue
            self._untold.discard(place)

    def _trim(self) -> None:
        """Free firings that are old, on a bus that does not forget by itself."""
        settings = self._runtime.settings
        if self._bus.keeps_read:
            return
        before_us = time.time_ns() // 1_000 - settings.triggers_days * 86_400_000_000
        for partition in range(self._bus.partitions(TRIGGERS_TOPIC)):
            trim_older(self._bus, TRIGGERS_TOPIC, partition, before_us, [DELIVERY] if settings.delivery_url else [])

    def _places(self) -> list[tuple[str, int]]:
        """All partitions of the topics, whoever reads them: the state is one."""
        return [(topic, partition) for topic in self._topics for partition in range(self._bus.partitions(topic))]

    def _rate(self) -> float:
        """Seconds of the world per second of the machine."""
        system_us = time.time_ns() // 1_000
        return (self._runtime.world_us(system_us + 1_000_000) - self._runtime.world_us(system_us)) / 1e6

    def _now_us(self) -> int:
        return self._runtime.world_us(time.time_ns() // 1_000)


def triggers(
    flow: Dataflow, runtime: Runtime, watch: Watch, *, store: TriggerStore | None = None, drain: bool = False
) -> None:
    """Add the triggers branch to a dataflow.

    Args:
        flow: the dataflow.
        runtime: the bus, the clock and what else the flows need.
        watch: what is declared.
        store: what is kept; default: in the installation's online store.
        drain: end when everything has been read.
    """
    bus, patience = runtime.bus, Patience(runtime.stop)
    kept = store or TriggerStore(connect(runtime.settings, timeout_s=WRITE_TIMEOUT_S))

    def start(topic: str, partition: int) -> Position:
        if not kept.begun:
            kept.begin(bus.position(FIRED, TRIGGERS_TOPIC, 0).hi)
        return max(kept.place(topic, partition), bus.position(GROUP, topic, partition))

    topics = [topic + CHECKED_SUFFIX for topic in watch.engine.topics]
    feed = Feed(bus, GROUP, topics, start, runtime.stop, measures=runtime.measures)
    checked = op.input("triggers_checked", flow, BusSource(feed, tick_s=_TICK_S, drain=drain))
    # Polled | Tick
    op.output("triggers_fire", checked, HandlerSink(lambda: Watcher(feed, patience, runtime, watch, kept)))


def load_watch(settings: Settings) -> Watch:
    """What is declared, its features found in the Feast registry.

    Raises:
        DeclarationError: no trigger is declared, or one cannot be watched.
    """
    declared, cap = load_triggers(settings.root)
    if not declared:
        raise DeclarationError(f"no triggers are declared: write some into {FILE}")
    watch = Watch(Engine(declared), cap=cap)
    if any(trigger.decide for trigger in declared):
        watch = replace(watch, proactive=open_proactive(settings))
    if not any(True for trigger in declared for _ in trigger.features()):
        return watch
    # Feast takes seconds to import.
    from rapport.feast.catalog import open_store, plans_by_topic

    store = open_store(settings)
    plans = plans_by_topic(store)
    check_features(declared, plans)
    client = connect(settings, timeout_s=WRITE_TIMEOUT_S)
    return replace(watch, features=FeatureReader(client, store.project, declared, plans))


def flow() -> Dataflow:
    """The triggers of this installation, and their webhook, as a dataflow of their own, ended by SIGTERM."""
    runtime = open_runtime(name="triggers")
    # It would log each delivery, with its address.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    made = Dataflow("triggers")
    triggers(made, runtime, load_watch(runtime.settings))
    deliver(made, runtime)
    keep_out_of_the_collectors_way()
    return made


def _blocks(topic: str, values: Sequence[bytes]) -> list[pa.RecordBatch]:
    try:
        return read_blocks(topic, values)
    except RowCorrupt as error:
        # The archive branch reports such records to the dead letters.
        _log.error("%s are not looked at", error)
        return read_blocks(topic, [value for at, value in enumerate(values) if at not in error.rows])
