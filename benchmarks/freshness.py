"""From an event on the bus to a feature that can be read, under a paced load, through the real processes.

`flows.all` runs as `rapport up` runs it: ingest, archive and features in one process. Many customers' clicks arrive at
a steady pace; now and then one of a watched customer, whose row is then read until it shows.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from feast import FeatureStore

from benchmarks.frame import Measurement, spread
from benchmarks.online_world import declared
from rapport.bus import Bus, Message, open_bus
from rapport.clock import SystemClock, from_us
from rapport.embedded import EmbeddedRedis
from rapport.online import OnlineReader, reader_for
from rapport.settings import Settings, load_settings

__all__ = ["measure"]

ROOT = Path(__file__).parents[1]
PACES = (500, 2_000, 5_000)
SLICE_S = 0.005
WATCHED = "watched"
YAML = """
project: rapport
provider: local
registry: registry.db
online_store: {type: rapport.feast.online_store.RapportOnlineStore}
offline_store: {type: rapport.feast.offline_store.RapportOfflineStore}
entity_key_serialization_version: 3
"""


def measure(quick: bool) -> list[Measurement]:
    """Milliseconds from publishing an event to reading its effect, at each pace."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="rapport-") as name, _installation(Path(name)) as settings:
        bus, reader = open_bus(settings), reader_for(settings, "personalization")
        _probe(bus, reader, "first", wait_s=120.0)
        return [
            spread(f"event to readable at {pace:,} events/s", "ms", _samples(bus, reader, pace, 2 if quick else 10))
            for pace in PACES
        ]


def _samples(bus: Bus, reader: OnlineReader, pace: int, seconds: float) -> list[float]:
    """Latencies of one watched event per 50 ms, read between the slices of the load."""
    rng = random.Random(pace)
    started, number, samples = time.perf_counter(), 0, []
    sent_at, known = 0.0, _count(reader)
    while (elapsed := time.perf_counter() - started) < seconds:
        due = int(elapsed * pace)
        messages = [_click(f"{pace} {n}", f"c{rng.randrange(20_000)}") for n in range(number, due)]
        if not sent_at and len(samples) < elapsed / 0.05:
            messages.append(_click(f"{pace} w{len(samples)}", WATCHED))
            sent_at = time.perf_counter()
        if messages:
            bus.publish(messages)
            number = due
        slice_end = time.perf_counter() + SLICE_S
        while sent_at and time.perf_counter() < slice_end:
            if _count(reader) > known:
                samples.append((time.perf_counter() - sent_at) * 1e3)
                sent_at, known = 0.0, known + 1
        time.sleep(max(0.0, slice_end - time.perf_counter()))
    return samples


def _probe(bus: Bus, reader: OnlineReader, name: str, wait_s: float) -> None:
    before, deadline = _count(reader), time.monotonic() + wait_s
    bus.publish([_click(name, WATCHED)])
    while _count(reader) == before:
        if time.monotonic() > deadline:
            raise TimeoutError(f"an event was not readable after {wait_s:g} s")
        time.sleep(0.01)


def _count(reader: OnlineReader) -> int:
    value = reader.read([WATCHED], SystemClock().now_us()).row(0)["click_activity__clicks_1d"]
    return int(value or 0)


def _click(number: str, who: str) -> Message:
    event = {"event_id": number, "customer_id": who, "event_time": from_us(SystemClock().now_us()), "action": "view"}
    return Message("customer_clicks", who, msgspec.json.encode(event))


@contextmanager
def _installation(folder: Path) -> Iterator[Settings]:
    """A Redis as by default, an applied repository, and the flows as a process."""
    (folder / "feature_store.yaml").write_text(YAML)
    server = EmbeddedRedis(folder / ".rapport" / "redis")
    server.start()
    FeatureStore(repo_path=str(folder)).apply(declared())
    settings = load_settings({"RAPPORT_REDIS_TIMEOUT_MS": "5000"}, root=folder)
    flows = subprocess.Popen(
        [sys.executable, "-m", "bytewax.run", "flows.all:flow"],
        cwd=ROOT,
        env={**os.environ, "RAPPORT_ROOT": str(folder)},
        stderr=subprocess.DEVNULL,
    )
    try:
        yield settings
    finally:
        flows.send_signal(signal.SIGTERM)
        flows.wait(60)
        server.stop()
