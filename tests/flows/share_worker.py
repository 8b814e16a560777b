"""What a forked worker runs: ingest and features over its share of the partitions."""

from __future__ import annotations

from pathlib import Path

from bytewax.testing import run_main

from flows.features import load_declared
from flows.runtime import make_runtime
from flows.worker import worker
from rapport.bus.share import Share
from rapport.settings import load_settings


def work(redis_url: str, root: Path, partitions: int, index: int, count: int) -> None:
    """Be worker `index` of `count` until killed."""
    settings = load_settings({"RAPPORT_REDIS_URL": redis_url, "RAPPORT_PARTITIONS": str(partitions)}, root=root)
    run_main(worker(make_runtime(settings, Share(index, count)), load_declared(settings)))
