"""JSON events to window state: Rapport's three windows against one window of Flink, Quix Streams and Spark.

The same clicks (JSON, 20,000 customers, 333 a second of event time, in order of time) and the same four aggregates of
the price: count, sum, min and max. Rapport keeps three windows of them (5 minutes every 10 s, 1 hour every 2 minutes,
1 day every 48 minutes), the others one of 5 minutes. All begin at JSON bytes and end with every customer's state.

A peer runs in an environment of its own (`make engines`), on one core. Rates are events per second of processor time of
all its processes, so waiting and other work on the machine do not count against it. It runs a few events, then the same
few again, then many: its rate is what the further events of the last run took, so that neither start-up nor loading and
compiling its code counts. A peer that cannot run here is named with the reason.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from benchmarks.frame import Measurement, compared
from benchmarks.memory_rows import MemoryRows
from rapport.errors import ServiceError
from rapport.testing.kafka import KafkaServer, install_jars
from rapport.windows import Aggregation, Column, Events, Kind, Plan, View, compile_view

__all__ = ["ROOT", "Peer", "measure", "on_one_core", "processor_s", "run_peer"]

ROOT = Path(__file__).parents[1]
CUSTOMERS = 20_000
BATCH = 20_000
START_US = 1_767_225_600_000_000
MINUTE_US = 60_000_000
EVENT_EVERY_US = 3_000
WINDOWS = (
    ("5m", 5 * MINUTE_US, MINUTE_US // 6),
    ("1h", 60 * MINUTE_US, 2 * MINUTE_US),
    ("1d", 1440 * MINUTE_US, 48 * MINUTE_US),
)
FUNCTIONS = ("count", "sum", "min", "max")
PEER_TIMEOUT_S = 240


class Click(msgspec.Struct, gc=False):
    """The event of this benchmark."""

    customer: str
    time_us: int
    price: int


class Numbers(dict[str, int]):
    """Numbers keys by first appearance."""

    def __missing__(self, key: str) -> int:
        self[key] = number = len(self)
        return number


class Peer(NamedTuple):
    """A program of benchmarks/foreign, its arguments, and how many events it gets in its last run."""

    name: str
    engine: str
    script: str
    arguments: tuple[str, ...]
    events: int


PEERS = (
    Peer("Flink SQL OVER, one window", "flink", "flink_sql.py", ("over",), 400_000),
    Peer("Flink SQL HOP 5 min / 10 s, one window", "flink", "flink_sql.py", ("hop",), 120_000),
    Peer("Quix Streams sliding 5 min, one window", "quix", "quix_window.py", (), 120_000),
    Peer("Spark sliding 5 min / 10 s, one window", "spark", "spark_window.py", (), 40_000),
)


def measure(quick: bool) -> list[Measurement]:
    """Events per second of Rapport, beside decoding alone and beside each peer."""
    ours, floor = against_floor(clicks(100_000 if quick else 400_000), repeat=3 if quick else 5)
    found = [compared(ours, floor)]
    with tempfile.TemporaryDirectory() as folder:
        for peer in PEERS:
            share = 4 if quick else 1
            try:
                value = peer_rate(peer, Path(folder), few=10_000 // share, many=peer.events // share)
                found.append(compared(ours, Measurement(name=peer.name, unit="events/s", value=value)))
            except (ServiceError, subprocess.TimeoutExpired) as error:
                found.append(msgspec.structs.replace(ours, note=f"{peer.name} was not measured: {error}"))
    return found


def against_floor(given: list[bytes], repeat: int) -> tuple[Measurement, Measurement]:
    """Rapport and bare decoding, by turns."""
    decoder = msgspec.json.Decoder(Click)
    plan = compile_view(view())
    to_state(plan, given[:BATCH], decoder)  # compiles
    ours, floor = [], []
    for _ in range(repeat):
        floor.append(len(given) / processor_s(lambda: [decoder.decode(one) for one in given]))
        ours.append(len(given) / processor_s(lambda: to_state(plan, given, decoder)))
    note = f"12 features in three windows, {CUSTOMERS:,} customers, batches of {BATCH:,}."
    return (
        Measurement(
            name="JSON to state, three windows",
            unit="events/s",
            value=statistics.median(ours),
            samples=repeat,
            note=note,
        ),
        Measurement(name="msgspec decoding alone", unit="events/s", value=statistics.median(floor), samples=repeat),
    )


def processor_s(work: Callable[[], object]) -> float:
    """Processor time that `work` takes, seconds."""
    started = time.process_time()
    work()
    return time.process_time() - started


def clicks(count: int) -> list[bytes]:
    """The first `count` clicks, the same ones each time."""
    random = np.random.default_rng(1)
    customers, prices = random.integers(0, CUSTOMERS, 1_000_000)[:count], random.integers(1, 100_000, 1_000_000)[:count]
    rows = zip(
        customers.tolist(), (START_US + np.arange(count) * EVENT_EVERY_US).tolist(), prices.tolist(), strict=True
    )
    return [b'{"customer":"c-%06d","time_us":%d,"price":%d}' % row for row in rows]


def view() -> View:
    """The question, as Rapport has it declared."""
    aggregations = tuple(
        Aggregation(f"{function}_{name}", function, "price", window, slide)
        for name, window, slide in WINDOWS
        for function in FUNCTIONS
    )
    return View("clicks", {"price": Kind.INT}, aggregations)


def to_state(plan: Plan, given: list[bytes], decoder: msgspec.json.Decoder[Click]) -> MemoryRows:
    """Micro-batches into rows held in memory; the customers by first appearance."""
    numbers = Numbers()
    rows = MemoryRows(plan, CUSTOMERS)
    for start in range(0, len(given), BATCH):
        batch = decoder.decode_lines(b"\n".join(given[start : start + BATCH]))
        count = len(batch)
        customers = np.fromiter(map(numbers.__getitem__, map(attrgetter("customer"), batch)), np.int64, count)
        prices, times = (np.fromiter(map(attrgetter(name), batch), np.int64, count) for name in ("price", "time_us"))
        rows.add(customers, Events(times, {"price": Column(Kind.INT, prices, np.full(count, True))}))
    return rows


def peer_rate(peer: Peer, folder: Path, *, few: int, many: int) -> float:
    """Events per second of a peer.

    Raises:
        ServiceError: it is not installed, or fails.
    """
    if peer.engine != "quix":
        return run_peer(peer, peer.arguments, folder, few, many)
    with KafkaServer(folder / "kafka", install_jars(ROOT / ".cache" / "kafka")) as kafka:
        return run_peer(peer, (kafka.bootstrap,), folder, few, many)


def run_peer(
    peer: Peer, arguments: tuple[str, ...], folder: Path, few: int, many: int, given: list[bytes] | None = None
) -> float:
    """Events per second of a peer's program with these arguments, over `given` or `clicks(many)`.

    Raises:
        ServiceError: it is not installed, or fails.
    """
    python = ROOT / ".cache" / "engines" / peer.engine / "bin" / "python"
    if not python.is_file():
        raise ServiceError(f"{peer.engine} is not installed here; `make engines` installs it")
    given = clicks(many) if given is None else given
    argv = [str(python), "-W", "ignore", str(ROOT / "benchmarks" / "foreign" / peer.script), *arguments]
    for count in (few, many):
        path = folder / f"{count}.jsonl"
        path.write_bytes(b"\n".join(given[:count]) + b"\n")
        argv += [str(path), str(count)]
    ended = on_one_core(argv, folder, {"PYSPARK_PYTHON": str(python), "SPARK_LOCAL_IP": "127.0.0.1"})
    lines = ended.stdout.strip().splitlines()
    if ended.returncode != 0 or not lines:
        raise ServiceError(f"it ended with code {ended.returncode}: {(ended.stderr or ended.stdout).strip()[-300:]}")
    return float(json.loads(lines[-1])["events_per_s"])


def on_one_core(argv: Sequence[str], folder: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program to its end on the last of this process's cores; `env` is added to the environment."""
    return subprocess.run(
        ["taskset", "-c", str(max(os.sched_getaffinity(0))), *argv],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PEER_TIMEOUT_S,
        env={**os.environ, **env},
    )
