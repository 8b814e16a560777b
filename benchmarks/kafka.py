"""From an event on Kafka to a feature that can be read, under a paced load, through the real processes.

The flows run as `rapport up` runs them, over a broker of their own (one replica, in the page cache). Many customers'
clicks arrive at a steady pace; every 50 ms one of a watched customer, whose row is then read until it shows. Between
these, a record goes to Kafka and is consumed by a bare consumer of this process: what the broker itself takes, under
the same load. Afterwards, without the flows, the same load goes through a bare loop of transactions (kafka_floor).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.frame import Measurement, compared, spread
from benchmarks.live_world import CLICKS, WATCHED, LiveWorld, click, live_world
from benchmarks.pacing import Seen, paced
from rapport.bus import Message
from rapport.bus.kafka import KafkaBus
from rapport.testing.kafka import KafkaServer, kafka_jars

__all__ = ["measure"]

PACES = (500, 2_000, 5_000)
WARM_S = 180
"""A broker that has just been started compiles its code while it works, which takes a third of a processor for minutes.
One that is measured has been up for a while, as brokers are."""
JAVA = ("-XX:+UseSerialGC",)
LOOK_S = 0.0005
PROBE = "bench.probe"
COPIES = "bench.copies"
SETTINGS = {"group.coordinator.append.linger.ms": "1"}


def measure(quick: bool) -> list[Measurement]:
    """Milliseconds from accepted to readable at each pace."""
    seconds = 3 if quick else 25
    found = {}
    with _broker() as url, live_world(bus_url=url) as world:
        with world.flows(), _Probe(world, PROBE) as probe:
            _samples(world, probe, PACES[-1], seconds if quick else WARM_S)
            for pace in PACES:
                found[pace] = *_samples(world, probe, pace, seconds), os.getloadavg()[0]
        with _bare_loop(world), _Probe(world, COPIES) as probe:
            floors = {pace: _copied(world, probe, pace, seconds) for pace in PACES}
    return [one for pace in PACES for one in _report(pace, *found[pace], floors[pace])]


def _report(pace: int, whole: list[float], hop: list[float], load: float, copied: list[float]) -> list[Measurement]:
    note = f"the machine's load was {load:.1f}"
    ours = spread(f"accepted to readable at {pace:,} events/s", "ms", whole, note=note)
    bare = spread("produced and consumed by a bare client under the same load", "ms", hop)
    loop = spread("a bare loop of transactions alone, same pace, until its copy is consumed", "ms", copied)
    return [compared(ours, bare), compared(ours, loop)]


@contextmanager
def _broker() -> Iterator[str]:
    with (
        tempfile.TemporaryDirectory(prefix="rapport-") as folder,
        KafkaServer(Path(folder) / "kafka", kafka_jars(), SETTINGS, java=JAVA) as server,
    ):
        yield f"kafka://{server.bootstrap}"


@contextmanager
def _bare_loop(world: LiveWorld) -> Iterator[None]:
    assert isinstance(world.bus, KafkaBus)
    link = world.bus.link
    argv = [sys.executable, "-m", "benchmarks.kafka_floor", link.servers, link.topic(CLICKS), link.topic(COPIES)]
    process = subprocess.Popen(argv, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        yield
    finally:
        process.kill()
        process.wait()


class _Probe:
    """A consumer in a thread that notes when a line of a topic's records came."""

    def __init__(self, world: LiveWorld, topic: str) -> None:
        self._bus = world.bus
        self._topic = topic
        self._stop = threading.Event()
        self.came: dict[bytes, float] = {}
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> _Probe:
        self._bus.publish([Message(self._topic, "k", b"warm")])
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
        link = self._bus.link
        settings = link.config(group_id="probe", auto_offset_reset="earliest", isolation_level="read_committed")
        consumer = Consumer(settings)
        consumer.assign([TopicPartition(link.topic(self._topic), 0, 0)])
        while not self._stop.is_set():
            if (record := consumer.poll(0.1)) is not None and record.error() is None:
                now = time.perf_counter()
                self.came.update(dict.fromkeys(record.value().split(b"\n"), now))
        consumer.close()


def _samples(world: LiveWorld, probe: _Probe, pace: int, seconds: float) -> tuple[list[float], list[float]]:
    """Watched events and bare records in turn, looked for between the slices of the load."""
    whole: list[float] = []
    hop: list[float] = []
    send_in_turn = (
        lambda load: _send_watched(world, load, whole),
        lambda load: _send_marked(world, probe, load, PROBE, hop),
    )
    paced(world, f"{pace} {time.time_ns()}", pace, seconds, send_in_turn, look_s=LOOK_S)
    world.until_done()
    return whole, hop


def _copied(world: LiveWorld, probe: _Probe, pace: int, seconds: float) -> list[float]:
    """Marks among the load, until the loop's copy of each has come."""
    found: list[float] = []
    send = lambda load: _send_marked(world, probe, load, CLICKS, found)  # noqa: E731 - one of the turns
    paced(world, f"copied {pace}", pace, seconds, [send], look_s=LOOK_S)
    return found


def _send_watched(world: LiveWorld, load: list[Message], samples: list[float]) -> Seen:
    known = world.watched()
    world.bus.publish([*load, click(f"w {time.time_ns()}", WATCHED)])
    accepted = time.perf_counter()

    def seen() -> bool:
        if world.watched() == known:
            return False
        samples.append((time.perf_counter() - accepted) * 1e3)
        return True

    return seen


def _send_marked(world: LiveWorld, probe: _Probe, load: list[Message], topic: str, samples: list[float]) -> Seen:
    mark = str(time.time_ns()).encode()
    sent = time.perf_counter()
    world.bus.publish([*load, Message(topic, "k", mark)])

    def seen() -> bool:
        if mark not in probe.came:
            return False
        samples.append((probe.came[mark] - sent) * 1e3)
        return True

    return seen
