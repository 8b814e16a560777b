"""Branches of the flows, run until all there is has been read."""

from __future__ import annotations

from collections.abc import Callable

from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from flows.archive import archive
from flows.ingest import ingest
from flows.runtime import Runtime

__all__ = ["MakeRuntime", "run_archive", "run_ingest"]

MakeRuntime = Callable[..., Runtime]


def run_ingest(runtime: Runtime) -> None:
    """Ingest all there is, in a real dataflow."""
    flow = Dataflow("ingest")
    ingest(flow, runtime, drain=True)
    run_main(flow)


def run_archive(runtime: Runtime) -> None:
    """Archive all there is, in a real dataflow."""
    flow = Dataflow("archive")
    archive(flow, runtime, drain=True)
    run_main(flow)
