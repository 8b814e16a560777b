"""When events are due: at once, or as time passes in a world that runs N times as fast; and the world's clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from rapport.clock import WorldClock
from rapport.replay.translate import MappedEvent

__all__ = ["CLOCK_SETTLES_S", "ClockMode", "Machine", "batches", "paced"]

ClockMode = Literal["keep", "freeze", "follow"]
"""keep: the world's clock is not touched. freeze: it stands still at the end of the replayed window, from before the
first event on. follow: it moves with the data (at full speed it stands at their end, for no reader could follow); then
it goes on from the last event in real time."""

CLOCK_SETTLES_S = 1.0
"""Time from setting the world's clock to the first event: readers look it up twice a second."""

_ARRIVAL_US = 5_000
"""An event is due this long after its time, by the machine: a bus counts arrivals in whole milliseconds, and an event
ahead of its arrival would be clamped."""

_LONGEST_SLEEP_S = 0.05


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine's time, and waiting; tests give their own."""

    now_us: Callable[[], int] = lambda: time.time_ns() // 1_000
    sleep: Callable[[float], None] = time.sleep


def batches(events: Iterable[MappedEvent], size: int) -> Iterator[list[MappedEvent]]:
    """Events in lists of `size`, the last one shorter."""
    batch: list[MappedEvent] = []
    for event in events:
        batch.append(event)
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch


def paced(events: Iterable[MappedEvent], clock: WorldClock, size: int, machine: Machine) -> Iterator[list[MappedEvent]]:
    """Batches of at most `size` events, each given when `clock` has come to its last event; waits in between."""
    batch: list[MappedEvent] = []
    now = clock.at(machine.now_us() - _ARRIVAL_US)
    for event in events:
        if event.time_us > now or len(batch) >= size:
            if batch:
                yield batch
                batch = []
            now = _wait(event.time_us, clock, machine)
        batch.append(event)
    if batch:
        yield batch


def _wait(time_us: int, clock: WorldClock, machine: Machine) -> int:
    while (now := clock.at(machine.now_us() - _ARRIVAL_US)) < time_us:
        machine.sleep(min(_LONGEST_SLEEP_S, (time_us - now) / clock.rate / 1e6))
    return now
