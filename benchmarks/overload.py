"""More requests than can be decided, beside the same service without the bound of its queue.

Medians, 99th percentiles, and what share is answered by the policy alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks.decision_asking import Figures, ask, asker
from benchmarks.decision_world import serving_project
from benchmarks.frame import Measurement
from rapport.testing.project import Project
from rapport.testing.served import Served

__all__ = ["measure"]

CONNECTIONS = (16, 64, 256, 512)
UNBOUND = "the same without the bound (RAPPORT_QUEUE_MS=0)"
_SHED = 'rapport_decisions_degraded_total{cause="overloaded"}'


def measure(quick: bool) -> list[Measurement]:
    seconds = 1.0 if quick else 4.0
    with tempfile.TemporaryDirectory(prefix="rapport-") as folder, ExitStack() as up:
        project = up.enter_context(serving_project(Path(folder)))
        bound, unbound = _served(project, up, "50"), _served(project, up, "0")
        return [one for count in CONNECTIONS for one in _beside(bound, unbound, count, seconds)]


def _served(project: Project, up: ExitStack, queue_ms: str) -> Served:
    served = Served(project, {"RAPPORT_QUEUE_MS": queue_ms, "RAPPORT_DRAIN_S": "0"})
    up.callback(served.stop)
    served.wait_ready()
    served.wait_health(lambda health: health["status"] == "ok", "the service is not well", 60)
    return served


def _beside(bound: Served, unbound: Served, connections: int, seconds: float) -> Iterator[Measurement]:
    before = bound.metric(_SHED), bound.metric("rapport_decisions_total")
    ours = _asked(bound, connections, seconds)
    made = bound.metric("rapport_decisions_total") - before[1]
    share = (bound.metric(_SHED) - before[0]) / max(1.0, made)
    p50, p99, rate = _asked(unbound, connections, seconds)
    yield Measurement(
        name=f"an answer, {connections:,} connections",
        unit="ms",
        value=ours[0],
        p99=ours[1],
        better="lower",
        peer=UNBOUND,
        peer_value=p50,
        peer_p99=p99,
        note=f"{share:.0%} by the policy alone; {ours[2]:,.0f} answers/s against {rate:,.0f}; asked by {asker()}",
    )


def _asked(served: Served, connections: int, seconds: float) -> Figures:
    return ask(served.url, connections, seconds, warm_s=0.5)
