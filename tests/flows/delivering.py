"""What a forked process runs: the webhook's flow. No tests."""

from __future__ import annotations

from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from flows.delivery import deliver
from flows.runtime import make_runtime
from rapport.settings import load_settings


def deliver_until_killed(environment: dict[str, str]) -> None:
    """What a forked process runs. Its leases are short, for its successor not to wait long."""
    import flows.delivery as module

    runtime = make_runtime(load_settings(environment))
    module._LEASE_S = 0.1
    flow = Dataflow("webhook")
    deliver(flow, runtime)
    run_main(flow)
