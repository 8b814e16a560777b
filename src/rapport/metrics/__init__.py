"""What the flows measure, and the process that gives it to Prometheus. docs/metrics.md has every metric."""

from rapport.metrics.measures import Measures, Stage, since, since_in_world
from rapport.metrics.snapshot import ProcessState, clear_snapshots, read_snapshots, snapshots_folder

__all__ = [
    "Measures",
    "ProcessState",
    "Stage",
    "clear_snapshots",
    "read_snapshots",
    "since",
    "since_in_world",
    "snapshots_folder",
]
