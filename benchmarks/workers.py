"""Ingest and features by one worker and by two, over a bus of two partitions, until the last event is readable.

The same backlog, sent as fast as the bus takes it; one and two workers in turn, Redis and the sender on the same cores.
"""

from __future__ import annotations

import statistics
import time

from benchmarks.frame import Measurement, compared
from benchmarks.live_world import LiveWorld, clicks, live_world

__all__ = ["measure"]

TURNS = 2


def measure(quick: bool) -> list[Measurement]:
    """Events per second of two workers beside one."""
    count = 20_000 if quick else 100_000
    taken: dict[int, list[float]] = {1: [], 2: []}
    with live_world(partitions=2) as world:
        for _ in range(TURNS):
            for workers, rates in taken.items():
                with world.flows(workers):
                    rates.append(_events_per_second(world, count))
    one, two = (
        Measurement(name=name, unit="events/s", value=statistics.median(taken[workers]), samples=TURNS)
        for workers, name in ((1, "one worker"), (2, "two workers"))
    )
    return [compared(two, one)]


def _events_per_second(world: LiveWorld, count: int) -> float:
    backlog = clicks(f"backlog {time.time_ns()}", count)
    started = time.perf_counter()
    for at in range(0, count, 1_000):
        world.bus.publish(backlog[at : at + 1_000])
    world.until_done()
    return count / (time.perf_counter() - started)
