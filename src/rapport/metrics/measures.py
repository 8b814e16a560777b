"""What the stages of one process measure: a few numbers a batch, never a call an event."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rapport.errors import BusUnavailable
from rapport.events.block import CHECKED_SUFFIX
from rapport.metrics.buckets import BATCH_EVENTS, BATCH_SECONDS, DELAY_SECONDS, LATENESS_SECONDS, Histogram
from rapport.metrics.snapshot import ProcessState, StageState, TopicState, path_of, write

__all__ = ["Measures", "SinceInWorld", "Stage", "since"]

_WRITE_EVERY_S = 1.0
_log = logging.getLogger(__name__)


def _now_us() -> int:
    return time.time_ns() // 1_000


def since(arrivals_us: Sequence[int]) -> npt.NDArray[np.int64]:
    """Microseconds that have passed since arrivals, which are dated by the system's clock."""
    return _now_us() - np.asarray(arrivals_us, np.int64)


class SinceInWorld:
    """Gives the system's microseconds that have passed since arrivals that are dated by the world's clock.

    What arrived before the clock was last seen to be changed is left out: by the new one, its date says nothing.

    Args:
        world_us: the world's time at a system time, microseconds.
    """

    def __init__(self, world_us: Callable[[int], int]) -> None:
        self._world_us = world_us
        self._seen: tuple[int, int] | None = None
        self._changed_us = 0

    def __call__(self, arrivals_us: npt.NDArray[np.int64]) -> npt.NDArray[np.float64] | None:
        """Of int64[n] arrivals; None while the world stands still, or its clock is not known."""
        now_us = _now_us()
        try:
            world_now_us = self._world_us(now_us)
            rate = (world_now_us - self._world_us(now_us - 1_000_000)) / 1_000_000
            if self._seen is not None and self._world_us(self._seen[0]) != self._seen[1]:
                self._changed_us = now_us
        except BusUnavailable:
            return None
        self._seen = (now_us, world_now_us)
        if rate <= 0:
            return None
        waited = (world_now_us - arrivals_us) / rate
        return waited[waited <= now_us - self._changed_us]


class _Topic:
    def __init__(self) -> None:
        self.progress_us = 0
        self.events = 0
        self.records = 0
        self.rewinds = 0
        self.dead: Counter[str] = Counter()
        self.rows: Counter[str] = Counter()
        self.batch_seconds = Histogram(BATCH_SECONDS)
        self.batch_events = Histogram(BATCH_EVENTS)
        self.delay = Histogram(DELAY_SECONDS, 1e6)
        self.lateness = Histogram(LATENESS_SECONDS, 1e6)

    def state(self) -> TopicState:
        return TopicState(
            self.progress_us,
            self.events,
            self.records,
            self.rewinds,
            dict(self.dead),
            dict(self.rows),
            self.batch_seconds.state(),
            self.batch_events.state(),
            self.delay.state(),
            self.lateness.state(),
        )


class Stage:
    """What one stage does: it beats while its loop turns, and notes what became of batches.

    A topic of checked events goes by the name of its event topic.
    """

    def __init__(self, written: Callable[[], None]) -> None:
        self._written = written
        self._heartbeat_us = _now_us()
        self._topics: dict[str, _Topic] = {}

    def beat(self) -> None:
        """The loop turns."""
        self._heartbeat_us = _now_us()
        self._written()

    def done(self, topic: str, records: int, events: int) -> None:
        """A batch of a topic is done: `events` that were in `records` of the bus."""
        found = self._topic(topic)
        found.progress_us = _now_us()
        found.records += records
        found.events += events
        found.batch_events.observe_one(events)

    def waited(self, topic: str, waited_us: npt.ArrayLike | None) -> None:
        """How long ago the events that are done arrived on the bus, system time, microseconds; None: not known."""
        if waited_us is not None:
            self._topic(topic).delay.observe(waited_us)

    @contextmanager
    def timed(self, topic: str) -> Iterator[None]:
        """The work on a batch, done while this lasts."""
        started_s = time.perf_counter()
        yield
        self._topic(topic).batch_seconds.observe_one(time.perf_counter() - started_s)

    def late(self, topic: str, lateness_us: npt.ArrayLike) -> None:
        """How much later than they happened events arrived, by the world's clock, microseconds."""
        self._topic(topic).lateness.observe(lateness_us)

    def dead(self, topic: str, reasons: Mapping[str, int]) -> None:
        """Records that became dead letters, by reason."""
        self._topic(topic).dead.update(reasons)

    def rows(self, topic: str, results: Mapping[str, int]) -> None:
        """What was done with rows of the online store, by result."""
        self._topic(topic).rows.update(results)

    def rewound(self, topic: str) -> None:
        """A partition is read again from where its results stand."""
        self._topic(topic).rewinds += 1

    def state(self) -> StageState:
        return StageState(self._heartbeat_us, {topic: found.state() for topic, found in self._topics.items()})

    def _topic(self, topic: str) -> _Topic:
        topic = topic.removesuffix(CHECKED_SUFFIX)
        if topic not in self._topics:
            self._topics[topic] = _Topic()
        return self._topics[topic]


class Measures:
    """The stages of a process, written down once a second while one of them beats.

    Args:
        process: the process's name, of which there is one on a machine.
        folder: where to write; None: nowhere.
    """

    def __init__(self, process: str = "flows", folder: Path | None = None) -> None:
        self._process = process
        self._folder = folder
        self._started_us = _now_us()
        self._stages: dict[str, Stage] = {}
        self._write_at_s = 0.0
        self._failed = False

    def stage(self, name: str) -> Stage:
        """The stage of that name; the same one when asked again."""
        if name not in self._stages:
            self._stages[name] = Stage(self._write_when_due)
        return self._stages[name]

    def state(self) -> ProcessState:
        return ProcessState(
            self._process, self._started_us, {name: stage.state() for name, stage in self._stages.items()}
        )

    def close(self) -> None:
        """The process ends as it was asked to: nobody is to wait for its heartbeat."""
        if self._folder is not None:
            path_of(self._folder, self._process).unlink(missing_ok=True)

    def _write_when_due(self) -> None:
        now_s = time.monotonic()
        if self._folder is None or now_s < self._write_at_s:
            return
        self._write_at_s = now_s + _WRITE_EVERY_S
        try:
            write(self._folder, self.state())
            self._failed = False
        except OSError as error:
            # A full disk stops no flow; what is seen from outside is a heartbeat that stands still.
            if not self._failed:
                _log.error("the flow's figures cannot be written: %s", error)
            self._failed = True
