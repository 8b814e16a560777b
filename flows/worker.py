"""A worker: ingest and features over its share of the partitions. What `rapport up` runs, once or several times.

python -m bytewax.run "flows.worker:flow(0, 1)"

The archive is a process of its own: an append decodes and writes seconds' worth of events at once, and whatever shares
an interpreter with it waits for tens to hundreds of milliseconds.
"""

from __future__ import annotations

from bytewax.dataflow import Dataflow

from flows.declared import Declared
from flows.features import features, load_declared
from flows.ingest import ingest
from flows.runtime import Runtime, keep_out_of_the_collectors_way, open_runtime
from rapport.bus.share import Share

__all__ = ["flow", "worker"]


def worker(runtime: Runtime, declared: Declared, *, drain: bool = False) -> Dataflow:
    """Ingest and features in one dataflow; records pass from one to the other through the bus."""
    made = Dataflow("worker")
    ingest(made, runtime, drain=drain)
    features(made, runtime, declared, drain=drain)
    return made


def flow(index: int = 0, count: int = 1) -> Dataflow:
    """Worker `index` (from 0) of `count`, ended by SIGTERM."""
    # As `rapport up` names its processes.
    runtime = open_runtime(Share(index, count), f"flows-{index + 1}" if index else "flows")
    made = worker(runtime, load_declared(runtime.settings))
    keep_out_of_the_collectors_way()
    return made
