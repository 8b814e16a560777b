"""From an event on the bus to a feature that can be read, under a paced load, through the real processes.

The flows run as `rapport up` runs them: a worker with ingest and features, and the archive. Many customers' clicks
arrive at a steady pace in slices of 5 ms; every 50 ms one of a watched customer, whose row is then read until it shows.
Between these, a record makes one bare hop of another process, for what the machine itself takes under the same load.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.frame import Measurement, compared, rate, spread
from benchmarks.freshness_floor import ROW, STREAM
from benchmarks.live_world import CLICKS, WATCHED, LiveWorld, click, clicks, live_world
from benchmarks.pacing import Seen, paced
from rapport.bus import START, Message, Position
from rapport.embedded import redis_url

__all__ = ["measure"]

PACES = (500, 2_000, 5_000)
LOOK_S = 0.0002
STAGES = ("accepted to checked", "checked to readable")


@dataclass
class Samples:
    """Milliseconds of each watched event."""

    whole: list[float] = field(default_factory=list)
    hop: list[float] = field(default_factory=list)
    stages: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in STAGES})


def measure(quick: bool) -> list[Measurement]:
    """Milliseconds from accepted to readable at each pace, and events per second of the whole chain."""
    seconds = 3 if quick else 10
    with live_world() as world, world.flows(), _bare_hop(world):
        found = []
        for pace in PACES:
            found += _at_pace(world, f"{pace:,} events/s", pace, seconds)
        most = _sustainable(world, 20_000 if quick else 100_000)
        half = int(most.value / 2)
        return [*found, most, *_at_pace(world, f"half the sustainable rate ({half:,} events/s)", half, seconds)]


def _at_pace(world: LiveWorld, name: str, pace: int, seconds: float) -> list[Measurement]:
    """The whole way, and then its stages: to look for both takes longer."""
    whole = _samples(world, pace, seconds, stages=False)
    return _report(name, replace(whole, stages=_samples(world, pace, seconds / 2, stages=True).stages))


def _report(pace: str, samples: Samples) -> list[Measurement]:
    floor = spread("one bare hop under the same load", "ms", samples.hop)
    whole = compared(spread(f"accepted to readable at {pace}", "ms", samples.whole), floor)
    note = "in a run of its own that looks for both"
    stages = [spread(f"of that, {name}", "ms", taken, note=note) for name, taken in samples.stages.items() if taken]
    return [whole, *stages]


def _samples(world: LiveWorld, pace: int, seconds: float, *, stages: bool) -> Samples:
    """Watched events and bare hops in turn, looked for between the slices of the load."""
    samples = Samples()
    send_in_turn = (
        lambda load: _send_watched(world, load, samples, stages),
        lambda load: _send_hop(world, load, samples),
    )
    paced(world, f"{pace} {stages}", pace, seconds, send_in_turn, look_s=LOOK_S)
    world.until_done()
    return samples


def _send_watched(world: LiveWorld, load: list[Message], samples: Samples, stages: bool) -> Seen:
    known = world.watched()
    world.bus.publish([*load, click(f"w {time.time_ns()}", WATCHED)])
    accepted = time.perf_counter()
    checked: list[float] = []
    place = _newest(world) if stages else START

    def seen() -> bool:
        if stages and not checked and world.bus.position("ingest", CLICKS, 0) >= place:
            checked.append(time.perf_counter())
        if world.watched() == known:
            return False
        readable = time.perf_counter()
        samples.whole.append((readable - accepted) * 1e3)
        if checked:
            for name, taken in zip(STAGES, (checked[0] - accepted, readable - checked[0]), strict=True):
                samples.stages[name].append(taken * 1e3)
        return True

    return seen


def _newest(world: LiveWorld) -> Position:
    """The position of the record that was published last."""
    ((place, _),) = world.redis.xrevrange(f"rapport:bus:{CLICKS}:0", count=1)
    return Position(*map(int, place.split(b"-")))


def _send_hop(world: LiveWorld, load: list[Message], samples: Samples) -> Seen:
    world.bus.publish(load)
    mark = str(time.time_ns()).encode()
    world.redis.xadd(STREAM, {"n": mark}, maxlen=1_000)
    accepted = time.perf_counter()

    def seen() -> bool:
        if world.redis.hget(ROW, "n") != mark:
            return False
        samples.hop.append((time.perf_counter() - accepted) * 1e3)
        return True

    return seen


def _sustainable(world: LiveWorld, count: int) -> Measurement:
    """A backlog that is sent as fast as the bus takes it, until its last event is readable."""

    def work() -> int:
        backlog = clicks(f"backlog {time.time_ns()}", count)
        started.append(time.perf_counter())
        for at in range(0, count, 1_000):
            world.bus.publish(backlog[at : at + 1_000])
        world.until_done()
        return count

    started: list[float] = []
    return rate("sustainable rate, ingest and features by one worker", "events/s", work, repeat=3)


@contextmanager
def _bare_hop(world: LiveWorld) -> Iterator[None]:
    argv = [sys.executable, "-m", "benchmarks.freshness_floor", redis_url(world.settings)]
    process = subprocess.Popen(argv, cwd=Path(__file__).parents[1])
    try:
        yield
    finally:
        process.kill()
        process.wait()
