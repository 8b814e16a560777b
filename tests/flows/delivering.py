"""What a forked process runs: the webhook's flow. No tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from flows.delivery import deliver
from flows.runtime import make_runtime
from rapport.settings import load_settings


def deliver_until_killed(redis_url: str, root: Path, url: str, secret_file: str) -> None:
    """What a forked process runs. Its leases are short, for its successor not to wait long."""
    import flows.delivery as module

    settings = load_settings({"RAPPORT_REDIS_URL": redis_url}, root=root)
    runtime = make_runtime(
        replace(settings, delivery_url=url, delivery_secret_file=secret_file, delivery_timeout_s=0.5)
    )
    module._LEASE_S = 0.1
    flow = Dataflow("webhook")
    deliver(flow, runtime)
    run_main(flow)
