"""How many workers an installation has: its processes, and another number on one that runs."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from rapport.errors import ServiceError
from rapport.processes import identify
from rapport.settings import Settings
from rapport.supervisor import Phase, ServiceState, State, Wanted, up
from rapport.supervisor.installation import installation, workers_of
from rapport.supervisor.repartition import repartition
from rapport.supervisor.state import Paths, write_state


@pytest.mark.parametrize(("workers", "names"), [(1, ["flows"]), (3, ["flows", "flows-2", "flows-3"])])
def test_each_worker_is_a_process_and_the_archive_another(tmp_path: Path, workers: int, names: list[str]) -> None:
    settings = Settings(root=tmp_path, data_dir=tmp_path, workers=workers)
    found = [service.name for service in installation(settings, Wanted(watch=False)) if service.stage == 1]
    assert found == [*names, "archive"]
    assert workers_of(found) == workers


def test_what_runs_keeps_its_workers_and_partitions(tmp_path: Path) -> None:
    me = identify(os.getpid())
    assert me is not None
    running = State(Phase.READY, me, time.time_ns() // 1_000, [ServiceState("flows", me), ServiceState("flows-2", me)])
    settings = Settings(root=tmp_path, data_dir=tmp_path, workers=3)
    write_state(Paths(settings).state, running)
    with pytest.raises(ServiceError, match="runs with 2 workers, not 3: `rapport down`"):
        up(settings, Wanted(watch=False))
    with pytest.raises(ServiceError, match="`rapport down` first"):
        repartition(settings, 2)
