"""How a peer's rate is taken: processor time, start-up and warm-up left out."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def measured(job: Callable[[Path, int], None]) -> None:
    """Run `job(file, events)` three times and print its rate: on FEW events, which does not count (classes are loaded
    and code is compiled), on FEW again, and on MANY. What the last took longer than the second is what its further
    events took: starting and submitting a job is in neither.
    """
    few, many = ((Path(path), int(count)) for path, count in (sys.argv[1:3], sys.argv[3:5]))
    job(*few)
    seconds, walls = [], []
    for given in (few, many):
        cpu, wall = processor_s(), time.perf_counter()
        job(*given)
        seconds.append(processor_s() - cpu)
        walls.append(time.perf_counter() - wall)
    events = many[1] - few[1]
    print(json.dumps({"events_per_s": events / (seconds[1] - seconds[0]), "wall": events / (walls[1] - walls[0])}))


def processor_s() -> float:
    """Processor time of this process and of all that came of it, seconds."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime + sum(_of(pid) for pid in _family())


def _family() -> list[int]:
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    family = [os.getpid()]
    for member in family:
        family += [pid for pid, parent in parents.items() if parent == member]
    return family


def _of(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS
