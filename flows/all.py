"""All branches in one process: ingest, archive and features. What `rapport up` runs.

python -m bytewax.run flows.all:flow
"""

from __future__ import annotations

from bytewax.dataflow import Dataflow

from flows.archive import archive
from flows.declared import Declared
from flows.features import features, load_declared
from flows.ingest import ingest
from flows.runtime import Runtime, open_runtime

__all__ = ["all_branches", "flow"]


def all_branches(runtime: Runtime, declared: Declared, *, drain: bool = False) -> Dataflow:
    """The three branches in one dataflow; records pass from one to the next through the bus."""
    made = Dataflow("rapport")
    ingest(made, runtime, drain=drain)
    archive(made, runtime, drain=drain)
    features(made, runtime, declared, drain=drain)
    return made


def flow() -> Dataflow:
    """This installation's dataflow, ended by SIGTERM."""
    runtime = open_runtime()
    return all_branches(runtime, load_declared(runtime.settings))
