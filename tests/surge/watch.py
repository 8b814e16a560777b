"""What is seen of an installation under load: lags as Prometheus is told them, memory, and how decisions go on."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import psutil

from rapport.metrics.around import Surroundings
from rapport.settings import Settings

__all__ = ["Sample", "Watch"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One look.

    Attributes:
        at_s: when, in seconds of the watch's clock.
        lag: by group of consumers, events; on Kafka records.
        redis_bytes: memory that Redis uses.
        rss_bytes: resident memory by process.
    """

    at_s: float
    lag: Mapping[str, int]
    redis_bytes: int
    rss_bytes: Mapping[str, int]


@dataclass
class Watch:
    """Looks twice a second, until it is left.

    Args:
        settings: the installation's.
        processes: process ids by name; a name's processes are those with their children.
    """

    settings: Settings
    processes: Mapping[str, int]
    samples: list[Sample] = field(default_factory=list)
    every_s: float = 0.5

    def __enter__(self) -> Self:
        self._stop = threading.Event()
        self._started_s = time.monotonic()
        self._surroundings = Surroundings(self.settings, every_s=self.every_s / 2)
        self._known = {name: psutil.Process(pid) for name, pid in self.processes.items()}
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def now_s(self) -> float:
        return time.monotonic() - self._started_s

    def _run(self) -> None:
        while not self._stop.wait(self.every_s):
            self.samples.append(self._look())

    def _look(self) -> Sample:
        lag: Counter[str] = Counter()
        memory = 0
        for family in self._surroundings.families():
            for sample in family.samples:
                if sample.name == "rapport_lag_events":
                    lag[sample.labels["group"]] += int(sample.value)
                elif sample.name == "rapport_redis_memory_bytes":
                    memory = int(sample.value)
        return Sample(self.now_s, dict(lag), memory, {name: _rss(process) for name, process in self._known.items()})


def _rss(process: psutil.Process) -> int:
    return sum(one.memory_info().rss for one in (process, *process.children(recursive=True)))
