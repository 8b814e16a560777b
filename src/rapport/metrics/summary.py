"""A stage in a line: for people who look at one installation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

import msgspec

from rapport.metrics.snapshot import HistogramState, ProcessState

__all__ = ["StageSummary", "quantile", "summaries"]


class StageSummary(msgspec.Struct, frozen=True):
    """A stage of a process since it started; the delays are what half and 99 % of the events took at
    most; None: none are known, or it is more than the last limit of DELAY_SECONDS."""

    process: str
    stage: str
    heartbeat_us: int
    events: int
    delay_p50_s: float | None
    delay_p99_s: float | None


def summaries(processes: Sequence[ProcessState]) -> list[StageSummary]:
    """A line for each stage of each process."""
    found = []
    for process in processes:
        for name, stage in process.stages.items():
            topics = stage.topics.values()
            delays = [topic.delay for topic in topics]
            found.append(
                StageSummary(
                    process.process,
                    name,
                    stage.heartbeat_us,
                    sum(topic.events for topic in topics),
                    _finite(quantile(delays, 0.5)),
                    _finite(quantile(delays, 0.99)),
                )
            )
    return found


def _finite(seconds: float | None) -> float | None:
    return None if seconds is None or math.isinf(seconds) else seconds


def quantile(histograms: Sequence[HistogramState], share: float) -> float | None:
    """The least limit that `share` of what histograms of the same limits have seen is within; infinite above the last,
    None when they have seen nothing."""
    counts = [sum(column) for column in zip(*(histogram.counts for histogram in histograms), strict=True)]
    if not any(counts):
        return None
    wanted = share * sum(counts)
    at = next(i for i, seen in enumerate(accumulate(counts)) if seen >= wanted)
    limits = histograms[0].limits
    return limits[at] if at < len(limits) else math.inf
