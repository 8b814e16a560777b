"""Real dataflows over what a test has given to the service; a module of helpers."""

from __future__ import annotations

from typing import Any

from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from flows.features import features, load_declared
from flows.ingest import ingest
from flows.runtime import make_runtime
from rapport.bus import Bus
from rapport.online import reader_for
from rapport.testing.project import Project


def run_ingest(project: Project) -> dict[str, int]:
    """Ingest all there is; what the counters of what was accepted and refused have grown by."""
    runtime = make_runtime(project.settings)
    before = _counts(runtime.bus)
    flow = Dataflow("ingest")
    ingest(flow, runtime, drain=True)
    run_main(flow)
    after = _counts(runtime.bus)
    return {name: n - before.get(name, 0) for name, n in after.items() if n != before.get(name, 0)}


def run_features(project: Project) -> None:
    """Compute features from all that has been ingested."""
    runtime = make_runtime(project.settings)
    flow = Dataflow("features")
    features(flow, runtime, load_declared(project.settings), drain=True)
    run_main(flow)


def features_of(project: Project, customer_id: str, now_us: int) -> dict[str, Any]:
    return reader_for(project.settings, "personalization").read([customer_id], now_us).row(0)


def _counts(bus: Bus) -> dict[str, int]:
    return bus.counts("accepted:") | bus.counts("dead:")
