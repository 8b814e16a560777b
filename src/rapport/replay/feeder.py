"""Feeding a file to the bus, as live events are fed."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from rapport.bus.protocol import Message
from rapport.clock import WorldClock
from rapport.errors import BusFull, MappingError
from rapport.replay.dead import RowLetters
from rapport.replay.files import DataFile
from rapport.replay.mapping import Mapping
from rapport.replay.options import Publisher, ReplayOptions
from rapport.replay.pace import CLOCK_SETTLES_S, Machine, batches, paced
from rapport.replay.report import Progress, ReplayReport
from rapport.replay.sorting import TimeSorter
from rapport.replay.translate import MappedEvent, Translated, Translator
from rapport.replay.window import newest_us

__all__ = ["replay"]

_FULL_WAIT_S = 0.02
_PROGRESS_S = 0.2


def replay(
    bus: Publisher,
    path: Path,
    mapping: Mapping,
    options: ReplayOptions | None = None,
    *,
    set_clock: Callable[[WorldClock], None] | None = None,
    progress: Callable[[Progress], None] | None = None,
    machine: Machine | None = None,
) -> ReplayReport:
    """Publish a file's rows as events, and those that cannot be events as dead letters.

    Held in memory: a chunk of 4,096 rows; for a file that is not sorted also `run_events` events, the rest of it in
    temporary files. Waits when the bus is full.

    Args:
        set_clock: publishes the world's clock; needed when options.clock is not "keep".
        progress: called about five times a second, and at the end.

    Raises:
        MappingError: the file cannot be read or lacks a column; what was published until then stays published.
        BusUnavailable
    """
    options = options or ReplayOptions()
    if options.clock != "keep" and set_clock is None:
        raise MappingError(f"clock mode {options.clock!r} needs a way to set the world's clock")
    with DataFile(path, mapping.format) as file:
        run = _Run(bus, file, mapping, options, machine or Machine(), progress)
        return run.go(set_clock or (lambda _: None))


@dataclass
class _Run:
    """One replay of one file."""

    bus: Publisher
    file: DataFile
    mapping: Mapping
    options: ReplayOptions
    machine: Machine
    progress: Callable[[Progress], None] | None
    given: int = 0
    published: int = 0
    skipped: int = 0
    out_of_order: int = 0
    first_us: int | None = None
    last_us: int | None = None
    dead: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        stem = f"replay:{self.mapping.name}:{self.file.token}:"
        before = self.bus.counts(f"origin:{stem}")
        self.replayed_before = sum(n for name, n in before.items() if name.endswith(":accepted"))
        self.origin = stem + secrets.token_hex(4)
        self.letters = RowLetters.of(self.mapping, self.file.path.name, self.origin)
        self.translator = Translator(self.mapping, self.file.token, self.file.columns, str(self.file.path))
        self.began = self.shown = time.monotonic()

    def go(self, set_clock: Callable[[WorldClock], None]) -> ReplayReport:
        if self.options.clock == "freeze" or (self.options.clock == "follow" and self.options.speed is None):
            set_clock(WorldClock(anchor_world_us=self._end_us(), rate=0.0))
            self.machine.sleep(CLOCK_SETTLES_S)
        if self.mapping.sorted:
            self._feed(self._in_file_order(), set_clock)
        else:
            with TimeSorter(self.options.run_events) as sorter:
                for done in self._translated():
                    sorter.add(done.events)
                self._feed(iter(sorter), set_clock)
        if self.options.clock == "follow" and self.last_us is not None:
            set_clock(WorldClock(self.machine.now_us(), self.last_us, 1.0))
        self._show(finished=True)
        return self._report()

    def _feed(self, events: Iterator[MappedEvent], set_clock: Callable[[WorldClock], None]) -> None:
        for batch in self._batches(events, set_clock):
            self._publish([Message(e.topic, e.key, e.value, self.origin) for e in batch])
            self._note(batch)
            self._show()

    def _batches(
        self, events: Iterator[MappedEvent], set_clock: Callable[[WorldClock], None]
    ) -> Iterator[list[MappedEvent]]:
        speed = self.options.speed
        if speed is None:
            yield from batches(events, self.options.batch)
            return
        first = next(events, None)
        if first is None:
            return
        clock = WorldClock(self.machine.now_us(), first.time_us, speed)
        if self.options.clock == "follow":
            clock = WorldClock(self.machine.now_us() + round(CLOCK_SETTLES_S * 1e6), first.time_us, speed)
            set_clock(clock)
        yield from paced(chain([first], events), clock, self.options.batch, self.machine)

    def _in_file_order(self) -> Iterator[MappedEvent]:
        for done in self._translated():
            yield from sorted(done.events, key=lambda event: event.time_us)

    def _translated(self) -> Iterator[Translated]:
        for chunk in self.file.chunks():
            done = self.translator.translate(self.options.window.cut(chunk, self.mapping.time))
            self.given += done.given
            self.skipped += done.skipped
            if done.rejected:
                now_us = self.machine.now_us()
                self._publish([self.letters.message(row, now_us) for row in done.rejected])
                self.dead.update(row.reason for row in done.rejected)
            self._show()
            yield done

    def _publish(self, messages: list[Message]) -> None:
        while True:
            try:
                self.bus.publish(messages)
                return
            except BusFull:
                self.machine.sleep(_FULL_WAIT_S)

    def _note(self, batch: list[MappedEvent]) -> None:
        self.published += len(batch)
        oldest = min(event.time_us for event in batch)
        self.first_us = oldest if self.first_us is None else min(self.first_us, oldest)
        last = batch[0].time_us if self.last_us is None else self.last_us
        for event in batch:
            if event.time_us < last:
                self.out_of_order += 1
            else:
                last = event.time_us
        self.last_us = last

    def _end_us(self) -> int:
        if self.options.window.until_us is not None:
            return self.options.window.until_us
        with DataFile(self.file.path, self.mapping.format) as file:
            return max((newest_us(chunk, self.mapping.time) for chunk in file.chunks()), default=0)

    def _show(self, *, finished: bool = False) -> None:
        now = time.monotonic()
        if self.progress is None or (now - self.shown < _PROGRESS_S and not finished):
            return
        self.shown = now
        handled = self.published + self.dead.total() + self.skipped
        fraction = self.file.fraction()
        total = self.given if finished or fraction >= 1 else round(self.given / max(fraction, 1e-9))
        self.progress(Progress(handled, max(total, handled), handled / max(now - self.began, 1e-9)))

    def _report(self) -> ReplayReport:
        return ReplayReport(
            origin=self.origin,
            given=self.given,
            published=self.published,
            dead_letters=dict(self.dead),
            skipped=self.skipped,
            out_of_order=self.out_of_order,
            first_us=self.first_us,
            last_us=self.last_us,
            replayed_before=self.replayed_before,
            seconds=time.monotonic() - self.began,
        )
