"""The archive branch: checked events and decisions, gathered for a while and appended exactly once.

python -m bytewax.run flows.archive:flow

The truth of what was archived is the archive's own log; the bus is told afterwards, for trimming and for the lag.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import bytewax.operators as op
import pyarrow as pa
from bytewax.dataflow import Dataflow

from flows.archive_rows import archive_topic, to_table
from flows.bus_io import BusSource, HandlerSink, Item, Tick
from flows.feed import Feed, Polled
from flows.runtime import Runtime, keep_out_of_the_collectors_way, open_runtime
from flows.trim import Trimmer
from rapport.archive import archive_writer, daily
from rapport.archive.schema import DECISIONS
from rapport.audit import schedule
from rapport.bus.groups import groups_of
from rapport.bus.protocol import Message, Position
from rapport.bus.retry import Patience, Stopped
from rapport.dead_letters import letter_message
from rapport.errors import ArchiveError, BusError, EventError
from rapport.events.block import CHECKED_SUFFIX, rows_in
from rapport.events.schema import TOPICS
from rapport.metrics.measures import SinceInWorld, since

__all__ = ["GROUP", "ArchiveWriter", "Archiver", "archive", "flow"]

GROUP = "archive"
CHECKED_TOPICS = tuple(topic + CHECKED_SUFFIX for topic in TOPICS)

_MAX_ROWS = 50_000
_WAIT_AFTER_ERROR_S = 2.0
_PAUSE_S = 0.05
_log = logging.getLogger(__name__)


class ArchiveWriter(Protocol):
    """What the branch needs of rapport.archive.Archive."""

    def append(
        self, topic: str, table: pa.Table, *, writer: str, position: Position, after: Position | None = None
    ) -> bool: ...

    def position(self, topic: str, writer: str) -> Position: ...


@dataclass(slots=True)
class _Held:
    """Batches of one partition that wait to be appended; `since_s` is when the first one came."""

    batches: list[Polled] = field(default_factory=list)
    rows: int = 0
    since_s: float = 0.0


class Archiver:
    """Holds records back until there are many or the first has waited long enough, then appends them.

    Args:
        feed: where the records come from.
        store: the archive.
        patience: for the bus, where a record that is no row has to be reported.
        every_s: longest time that a record waits, seconds.
        trimmer: frees what all groups have read.
        world_us: the world's time at a system time, microseconds.
    """

    def __init__(
        self,
        feed: Feed,
        store: ArchiveWriter,
        patience: Patience,
        every_s: float,
        trimmer: Trimmer,
        world_us: Callable[[int], int],
    ) -> None:
        self._since_in_world = SinceInWorld(world_us)
        self._feed = feed
        self._store = store
        self._patience = patience
        self._every_s = every_s
        self._trimmer = trimmer
        self._held: dict[tuple[str, int], _Held] = {}
        self._untold: set[tuple[str, int]] = set()
        self._seen: set[tuple[str, int]] = set()

    def handle(self, item: Item) -> None:
        if isinstance(item, Tick):
            self._flush_due()
            self._tell_bus()
            self._trimmer.tick()
        elif not self._feed.is_void(item):
            self._hold(item)

    def flush(self) -> None:
        """Records are held until they are many, or old."""

    def close(self) -> None:
        """Append what is held, and tell the bus if it answers."""
        for place in list(self._held):
            self._flush(place)
        self._tell_bus()

    def _hold(self, polled: Polled) -> None:
        place = (polled.batch.topic, polled.batch.partition)
        held = self._held.setdefault(place, _Held(since_s=time.monotonic()))
        held.batches.append(polled)
        held.rows += sum(map(rows_in, polled.batch.values))
        if held.rows >= _MAX_ROWS:
            self._flush(place)

    def _flush_due(self) -> None:
        due_s = time.monotonic() - self._every_s
        for place in [place for place, held in self._held.items() if held.since_s <= due_s]:
            self._flush(place)

    def _flush(self, place: tuple[str, int]) -> None:
        held = self._held.pop(place)
        try:
            if self._append(place, held):
                self._untold.add(place)
                return
            _log.warning("another process archives %s/%d; reading again from where it is", *place)
        except (ArchiveError, BusError) as error:
            _log.error("reading %s/%d again in %.0f s: %s", *place, _WAIT_AFTER_ERROR_S, error)
        except Stopped:
            _log.info("asked to stop; %s/%d will be read again", *place)
        self._feed.rewind(*place, wait_s=_WAIT_AFTER_ERROR_S)

    def _append(self, place: tuple[str, int], held: _Held) -> bool:
        topic, partition = place
        values = [value for polled in held.batches for value in polled.batch.values]
        positions = [position for polled in held.batches for position in polled.batch.positions]
        table, refused = to_table(topic, partition, positions, values)
        if refused:
            letters = _letters(held, refused)
            self._patience.call(lambda: self._feed.bus.publish(letters))
        with self._feed.stage.timed(topic):
            appended = self._store.append(
                archive_topic(topic),
                table,
                writer=archive_writer(partition),
                position=held.batches[-1].batch.positions[-1],
                after=held.batches[0].after,
            )
        if appended:
            self._measure(topic, held, table, refused)
        return appended

    def _measure(self, topic: str, held: _Held, table: pa.Table, refused: Mapping[int, EventError]) -> None:
        stage = self._feed.stage
        stage.done(topic, sum(len(polled.batch) for polled in held.batches), len(table))
        stage.dead(topic, Counter(error.reason for error in refused.values()))
        if topic == DECISIONS:
            stage.waited(topic, since([us for polled in held.batches for us in polled.batch.arrivals_us]))
        else:
            arrivals = table.column("arrival_time").cast(pa.int64()).to_numpy()
            stage.waited(topic, self._since_in_world(arrivals))

    def _tell_bus(self) -> None:
        """Move the group's positions on the bus to those of the archive; what fails is told with the next tick."""
        places = set(self._feed.places)
        # A place that is new here may have been archived before, by a process that could not tell any more.
        self._untold = (self._untold | places - self._seen) & places
        self._seen = places
        try:
            for place in sorted(self._untold):
                reached = self._store.position(archive_topic(place[0]), archive_writer(place[1]))
                known = self._feed.bus.position(GROUP, *place)
                if reached > known:
                    self._feed.bus.commit(GROUP, *place, expected=known, position=reached)
                self._untold.discard(place)
        except (BusError, ArchiveError) as error:
            _log.info("the bus was not told yet how far the archive is: %s", error)


def archive(flow: Dataflow, runtime: Runtime, *, drain: bool = False, pause_s: float = 0.0) -> None:
    """Add the archive branch to a dataflow.

    Args:
        flow: the dataflow.
        runtime: the bus, the archive and what else the flows need.
        drain: end when everything has been read.
        pause_s: least time between two reads, seconds.
    """
    store, bus = runtime.archive, runtime.bus
    topics = (*CHECKED_TOPICS, DECISIONS)

    def start(topic: str, partition: int) -> Position:
        return store.position(archive_topic(topic), archive_writer(partition))

    feed = Feed(bus, GROUP, topics, start, runtime.stop, measures=runtime.measures)
    groups = groups_of(runtime.settings)
    every_s = runtime.settings.archive_every_s
    patience = Patience(runtime.stop)
    source = BusSource(feed, tick_s=min(0.2, every_s / 2), drain=drain, pause_s=pause_s)
    checked = op.input("archive_checked", flow, source)
    # Polled | Tick
    op.output(
        "archive_append",
        checked,
        HandlerSink(
            lambda: Archiver(
                feed, store, patience, every_s, Trimmer(bus, lambda: feed.places, groups), runtime.world_us
            )
        ),
    )


def flow() -> Dataflow:
    """The archive branch of this installation as a dataflow of its own, ended by SIGTERM; beside it, what the archive
    needs once a day, and audits."""
    runtime = open_runtime(name="archive")
    made = Dataflow("archive")
    # Records wait for seconds here anyway: reading them in larger portions leaves the processor to the other flows.
    archive(made, runtime, pause_s=_PAUSE_S)
    for name, watch in (("archive-daily", daily.watch), ("audits", schedule.watch)):
        threading.Thread(target=watch, args=(runtime.settings, runtime.stop), daemon=True, name=name).start()
    keep_out_of_the_collectors_way()
    return made


def _letters(held: _Held, refused: dict[int, EventError]) -> list[Message]:
    """Dead letters of the records that are no rows, by their places in all that is held."""
    letters, first = [], 0
    for polled in held.batches:
        inside = (i for i in refused if first <= i < first + len(polled.batch))
        letters += [letter_message(polled.batch, i - first, refused[i]) for i in inside]
        first += len(polled.batch)
    return letters
