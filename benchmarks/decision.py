"""Decisions over HTTP: latency and decisions/s for 1 to 64 clients, beside a no-op, a bare mount and stock serving.

The whole service on the repository's own declarations: its Redis, a customer known to every view, two XGBoost models of
200 trees, the policy, reasons, the decision log and metrics. Beside it a no-op; a bare mount in BentoML that makes one
HMGET and two ONNX predictions; a BentoML API method with Feast's client and XGBoost; and Feast's server, which only
reads. All are up at once, one worker each, and are asked in turns. wrk asks where Debian's package is installed, else a
small asyncio client, which takes a share of the same cores.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from benchmarks.decision_asking import ASK, Asked, ask, asker
from benchmarks.decision_servers import READ, Running, feast_server, mount, noop, stock_repository, stock_service
from benchmarks.decision_world import serving_project
from benchmarks.frame import Measurement
from rapport.testing.project import Project
from rapport.testing.served import Served

__all__ = ["measure"]

CLIENTS = (1, 8, 16, 64)
OURS, MOUNT, NOOP = "a decision", "a bare mount", "a no-op"
STOCK, READING = "stock Feast and XGBoost", "Feast's server, the read alone"


class Turn(NamedTuple):
    """p50 and p99 in milliseconds, answers/s, and microseconds of processor time that the server took for each."""

    p50: float
    p99: float
    rate: float
    each_us: float


Found = dict[tuple[str, int], Turn]
"""(who, clients) to what was measured; who has answered nobody in time is not there."""


def measure(quick: bool) -> list[Measurement]:
    """p50, p99, answers/s and processor time of a decision, of its floors and of its peers."""
    turns, seconds = (1, 1.0) if quick else (5, 2.0)
    with tempfile.TemporaryDirectory(prefix="rapport-") as folder, ExitStack() as up:
        project = up.enter_context(serving_project(Path(folder)))
        repository = stock_repository(project)
        served = _served(project, up)
        servers: dict[str, tuple[Running, Asked]] = {
            OURS: (Running(served.url, served.process.pid), ASK),
            MOUNT: (up.enter_context(mount(project)), ASK),
            NOOP: (up.enter_context(noop(project)), ASK),
            STOCK: (up.enter_context(stock_service(project, repository)), ASK),
            READING: (up.enter_context(feast_server(project, repository)), READ),
        }
        found = _asked(servers, turns, seconds)
        degraded = served.decide("ann")["degraded"]
    note = (
        f"asked by {asker()}, each figure the best of {turns} turns of {seconds:g} s; degraded: {degraded or 'nothing'}"
    )
    return [*_beside(found, note), *_lines(found)]


def _served(project: Project, up: ExitStack) -> Served:
    # every decision is made, however many wait
    served = Served(project, {"RAPPORT_QUEUE_MS": "0"})
    up.callback(served.stop)
    served.wait_ready()
    served.wait_health(lambda health: health["status"] == "ok", "the service is not well", 60)
    return served


def _asked(servers: Mapping[str, tuple[Running, Asked]], turns: int, seconds: float) -> Found:
    """Of each server and number of clients each figure at its best: what else the machine does only takes away."""
    found: Found = {}
    for clients in CLIENTS:
        for _ in range(turns):
            for who, (running, asked) in servers.items():
                before_s = running.processor_s()
                p50, p99, rate = ask(running.url, clients, seconds, asked=asked, warm_s=0)
                if rate:
                    each_us = (running.processor_s() - before_s) / (rate * seconds) * 1e6
                    one = Turn(p50, p99, rate, each_us)
                    found[who, clients] = _best(one, found.get((who, clients), one))
    return found


def _best(one: Turn, other: Turn) -> Turn:
    least = map(min, zip(one, other, strict=True))
    return Turn(*least)._replace(rate=max(one.rate, other.rate))


def _beside(found: Found, note: str) -> Iterator[Measurement]:
    for clients in CLIENTS:
        ours = found[OURS, clients]
        for peer in (MOUNT, NOOP, STOCK):
            if (other := found.get((peer, clients))) is None:
                continue
            said = f"{ours.rate:,.0f} decisions/s against {other.rate:,.0f}, {ours.each_us:,.0f} µs of processor time "
            yield Measurement(
                name=f"a decision, {_clients(clients)}",
                unit="ms",
                value=ours.p50,
                p99=ours.p99,
                better="lower",
                peer=peer,
                peer_value=other.p50,
                peer_p99=other.p99,
                note=f"{said}each against {other.each_us:,.0f}; {note}" if peer == MOUNT else "",
            )


def _lines(found: Found) -> Iterator[Measurement]:
    for (who, clients), turn in found.items():
        for unit, value in (
            ("ms, median", turn.p50),
            ("ms, p99", turn.p99),
            ("answers/s", turn.rate),
            ("µs of processor time each", turn.each_us),
        ):
            yield Measurement(
                name=f"{who}, {_clients(clients)}",
                unit=unit,
                value=value,
                better="higher" if unit == "answers/s" else "lower",
                x=float(clients),
                x_unit="connections",
                series=who,
            )


def _clients(clients: int) -> str:
    return "1 client" if clients == 1 else f"{clients} clients"
