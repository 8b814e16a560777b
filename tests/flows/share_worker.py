"""What a forked worker runs: ingest and features over its share of the partitions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bytewax.testing import run_main

from flows.declared import Declared
from flows.runtime import make_runtime
from flows.worker import worker
from rapport.bus.share import Share
from rapport.settings import load_settings
from rapport.windows import View, compile_view


def work(
    redis_url: str, root: Path, partitions: int, views: Mapping[str, Sequence[View]], index: int, count: int
) -> None:
    """Be worker `index` of `count` until killed. The views come from whoever starts it: Feast takes long to import."""
    settings = load_settings({"RAPPORT_REDIS_URL": redis_url, "RAPPORT_PARTITIONS": str(partitions)}, root=root)
    declared = Declared("rapport", {topic: [compile_view(view) for view in some] for topic, some in views.items()})
    run_main(worker(make_runtime(settings, Share(index, count)), declared))
