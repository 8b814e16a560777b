"""What a forked ingest process runs."""

from __future__ import annotations

from pathlib import Path

from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from flows.archive import archive
from flows.ingest import ingest
from flows.runtime import make_runtime
from rapport.settings import load_settings


def work(redis_url: str, root: Path) -> None:
    """Ingest and archive until killed."""
    runtime = make_runtime(
        load_settings({"RAPPORT_REDIS_URL": redis_url, "RAPPORT_ARCHIVE_EVERY_S": "0.05"}, root=root)
    )
    flow = Dataflow("ingest")
    ingest(flow, runtime)
    archive(flow, runtime)
    run_main(flow)
