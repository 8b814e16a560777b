"""Decisions in batches: how many a second beside single calls, and what a batch costs a single decision beside it.

The whole service, as for single decisions over HTTP, asked by httpx over kept connections of this process, which takes
a share of the same cores. Single calls and batches take turns, so that what else the machine does meets both.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec

from benchmarks.decision_world import serving_project
from benchmarks.frame import Measurement
from rapport.testing.served import Served

__all__ = ["measure"]

TURN = {"customer_id": "ann", "session_data": {"message": "Where is my parcel?", "channel": "web"}}
HEADERS = {"Content-Type": "application/json"}
SIZES = (10, 100, 500)


def measure(quick: bool) -> list[Measurement]:
    """Decisions/s by size of batch; milliseconds of a single decision while batches run."""
    rounds, seconds = (3, 2.0) if quick else (7, 8.0)
    with tempfile.TemporaryDirectory(prefix="rapport-") as folder, serving_project(Path(folder)) as project:
        served = Served(project)
        try:
            served.wait_ready()
            served.wait_health(lambda health: health["status"] == "ok", "the service is not well", 60)
            return [*_rates(served, rounds), *_beside(served, seconds)]
        finally:
            served.stop()


def _rates(served: Served, rounds: int) -> list[Measurement]:
    found: dict[int, list[float]] = {size: [] for size in (1, *SIZES)}
    for round_ in range(rounds + 1):
        for size, rates in found.items():
            began = time.perf_counter()
            times = 100 if size == 1 else max(1, 500 // size)
            for _ in range(times):
                _ask(served.http, size)
            if round_:
                rates.append(times * size / (time.perf_counter() - began))
    alone = statistics.median(found.pop(1))
    return [
        Measurement(
            name=f"decisions in batches of {size}, one client",
            unit="decisions/s",
            value=statistics.median(rates),
            samples=rounds,
            peer="single calls",
            peer_value=alone,
        )
        for size, rates in found.items()
    ]


def _beside(served: Served, seconds: float) -> list[Measurement]:
    """Single decisions alone, and while another client sends batch after batch."""
    alone = _single(served, seconds, lambda http: None)
    found = []
    for size in SIZES[1:]:
        meanwhile = _single(served, seconds, lambda http, size=size: _ask(http, size))  # type: ignore[misc]
        found.append(
            Measurement(
                name=f"a single decision while batches of {size} run",
                unit="ms",
                value=statistics.median(meanwhile),
                p99=_p99(meanwhile),
                samples=len(meanwhile),
                better="lower",
                peer="nothing beside it",
                peer_value=statistics.median(alone),
                peer_p99=_p99(alone),
                note=f"the slowest took {max(meanwhile):.1f} ms, {max(alone):.1f} with nothing beside it",
            )
        )
    return found


def _single(served: Served, seconds: float, other: Callable[[httpx.Client], None]) -> list[float]:
    """Milliseconds of single decisions, one a 5 ms at most, while a thread does something else all the time."""
    ended = threading.Event()

    def work() -> None:
        with httpx.Client(base_url=served.url, timeout=30, trust_env=False) as http:
            while not ended.wait(0.001):
                other(http)

    thread = threading.Thread(target=work)
    thread.start()
    samples = []
    until = time.perf_counter() + seconds
    while (began := time.perf_counter()) < until:
        _ask(served.http, 1)
        samples.append((time.perf_counter() - began) * 1e3)
        time.sleep(0.005)
    ended.set()
    thread.join()
    return samples


def _ask(http: httpx.Client, size: int) -> None:
    path, body = ("/personalize", TURN) if size == 1 else ("/personalize/batch", {"turns": [TURN] * size})
    http.post(path, content=msgspec.json.encode(body), headers=HEADERS).raise_for_status()


def _p99(samples: list[float]) -> float:
    return sorted(samples)[int(len(samples) * 0.99)]
