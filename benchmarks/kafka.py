"""From an event on Kafka to a feature that can be read, under a paced load, through the real processes.

The flows run as `rapport up` runs them, over a broker of their own (one replica, in the page cache). Many customers'
clicks arrive at a steady pace; every 50 ms one of a watched customer, whose row is then read until it shows. Between
these, a record goes to Kafka and is consumed by a bare consumer of this process: what the broker itself takes, under
the same load.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.frame import Measurement, compared, spread
from benchmarks.live_world import WATCHED, LiveWorld, click, live_world
from benchmarks.pacing import paced
from rapport.bus import Message
from rapport.bus.kafka import KafkaBus
from rapport.testing.kafka import KafkaServer, kafka_jars

__all__ = ["measure"]

PACES = (500, 2_000, 5_000)
LOOK_S = 0.0005
PROBE = "bench.probe"


def measure(quick: bool) -> list[Measurement]:
    """Milliseconds from accepted to readable at each pace."""
    seconds = 3 if quick else 10
    found = []
    with _broker() as url, live_world(bus_url=url) as world, world.flows(), _Probe(world) as probe:
        for pace in PACES:
            whole, hop = _samples(world, probe, pace, seconds)
            floor = spread("produced and consumed by a bare client under the same load", "ms", hop)
            found.append(compared(spread(f"accepted to readable at {pace:,} events/s", "ms", whole), floor))
    return found


@contextmanager
def _broker() -> Iterator[str]:
    settings = {"group.coordinator.append.linger.ms": "1"}
    with (
        tempfile.TemporaryDirectory(prefix="rapport-") as folder,
        KafkaServer(Path(folder) / "kafka", kafka_jars(), settings) as server,
    ):
        yield f"kafka://{server.bootstrap}"


class _Probe:
    """A consumer in a thread that notes when a record of its topic came."""

    def __init__(self, world: LiveWorld) -> None:
        self._bus = world.bus
        self._stop = threading.Event()
        self.came: dict[bytes, float] = {}
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> _Probe:
        self._bus.publish([Message(PROBE, "k", b"warm")])
        self._thread.start()
        deadline = time.monotonic() + 30
        while b"warm" not in self.came and time.monotonic() < deadline:
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _read(self) -> None:
        from confluent_kafka import Consumer, TopicPartition

        assert isinstance(self._bus, KafkaBus)
        consumer = Consumer(self._bus.link.config(group_id="probe", auto_offset_reset="earliest"))
        consumer.assign([TopicPartition(PROBE, 0, 0)])
        while not self._stop.is_set():
            if (record := consumer.poll(0.1)) is not None and record.error() is None:
                self.came[record.value()] = time.perf_counter()
        consumer.close()


def _samples(world: LiveWorld, probe: _Probe, pace: int, seconds: float) -> tuple[list[float], list[float]]:
    """Watched events and bare records in turn, looked for between the slices of the load."""
    whole: list[float] = []
    hop: list[float] = []
    send_in_turn = (
        lambda load: _send_watched(world, load, whole),
        lambda load: _send_bare(world, probe, load, hop),
    )
    paced(world, str(pace), pace, seconds, send_in_turn, look_s=LOOK_S)
    return whole, hop


def _send_watched(world: LiveWorld, load: list[Message], samples: list[float]) -> Callable[[], bool]:
    known = world.watched()
    world.bus.publish([*load, click(f"w {time.time_ns()}", WATCHED)])
    accepted = time.perf_counter()

    def seen() -> bool:
        if world.watched() == known:
            return False
        samples.append((time.perf_counter() - accepted) * 1e3)
        return True

    return seen


def _send_bare(world: LiveWorld, probe: _Probe, load: list[Message], samples: list[float]) -> Callable[[], bool]:
    mark = str(time.time_ns()).encode()
    sent = time.perf_counter()
    world.bus.publish([*load, Message(PROBE, "k", mark)])

    def seen() -> bool:
        if mark not in probe.came:
            return False
        samples.append((probe.came[mark] - sent) * 1e3)
        return True

    return seen
