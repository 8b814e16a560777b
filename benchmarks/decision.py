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

from benchmarks.decision_asking import ASK, Asked, Figures, ask, asker
from benchmarks.decision_servers import READ, feast_server, mount, noop, stock_repository, stock_service
from benchmarks.decision_world import serving_project
from benchmarks.frame import Measurement
from rapport.testing.project import Project
from rapport.testing.served import Served

__all__ = ["measure"]

CLIENTS = (1, 8, 16, 64)
OURS, MOUNT, NOOP = "a decision", "a bare mount", "a no-op"
STOCK, READING = "stock Feast and XGBoost", "Feast's server, the read alone"

Found = dict[tuple[str, int], Figures]
"""(who, clients) to what was measured."""


def measure(quick: bool) -> list[Measurement]:
    """p50, p99 and answers/s of a decision, of its floors and of its peers."""
    turns, seconds = (1, 1.0) if quick else (2, 2.0)
    with tempfile.TemporaryDirectory(prefix="rapport-") as folder, ExitStack() as up:
        project = up.enter_context(serving_project(Path(folder)))
        repository = stock_repository(project)
        served = _served(project, up)
        urls: dict[str, tuple[str, Asked]] = {
            OURS: (served.url, ASK),
            MOUNT: (up.enter_context(mount(project)), ASK),
            NOOP: (up.enter_context(noop(project)), ASK),
            STOCK: (up.enter_context(stock_service(project, repository)), ASK),
            READING: (up.enter_context(feast_server(project, repository)), READ),
        }
        found = _asked(urls, turns, seconds)
        degraded = served.decide("ann")["degraded"]
    note = f"asked by {asker()}, the better of {turns} turns of {seconds:g} s; degraded: {degraded or 'nothing'}"
    return [*_beside(found, note), *_lines(found)]


def _served(project: Project, up: ExitStack) -> Served:
    # every decision is made, however many wait
    served = Served(project, {"RAPPORT_QUEUE_MS": "0"})
    up.callback(served.stop)
    served.wait_ready()
    served.wait_health(lambda health: health["status"] == "ok", "the service is not well", 60)
    return served


def _asked(urls: Mapping[str, tuple[str, Asked]], turns: int, seconds: float) -> Found:
    """Of each server and number of clients the turn with the most answers: what else the machine does takes away."""
    found: Found = {}
    for clients in CLIENTS:
        for turn in range(turns):
            for who, (url, asked) in urls.items():
                figures = ask(url, clients, seconds, asked=asked, warm_s=0 if turn else 1)
                found[who, clients] = max(figures, found.get((who, clients), figures), key=lambda one: one[2])
    return found


def _beside(found: Found, note: str) -> Iterator[Measurement]:
    for clients in CLIENTS:
        who = "1 client" if clients == 1 else f"{clients} clients"
        p50, p99, rate = found[OURS, clients]
        for peer in (MOUNT, NOOP, STOCK):
            peer50, peer99, peer_rate = found[peer, clients]
            yield Measurement(
                name=f"a decision, {who}",
                unit="ms",
                value=p50,
                p99=p99,
                better="lower",
                peer=peer,
                peer_value=peer50,
                peer_p99=peer99,
                note=f"{rate:,.0f} decisions/s against {peer_rate:,.0f}; {note}" if peer == MOUNT else "",
            )


def _lines(found: Found) -> Iterator[Measurement]:
    for (who, clients), (p50, p99, rate) in found.items():
        line = {"x": float(clients), "x_unit": "connections", "series": who}
        yield Measurement(name=f"{who}: latency", unit="ms, median", value=p50, better="lower", **line)  # type: ignore[arg-type]
        yield Measurement(name=f"{who}: p99", unit="ms, p99", value=p99, better="lower", **line)  # type: ignore[arg-type]
        yield Measurement(name=f"{who}: rate", unit="answers/s", value=rate, **line)  # type: ignore[arg-type]
