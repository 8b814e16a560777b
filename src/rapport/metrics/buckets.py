"""Histograms with fixed limits that take a batch's values at once."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rapport.metrics.snapshot import HistogramState

__all__ = ["BATCH_EVENTS", "BATCH_SECONDS", "DELAY_SECONDS", "LATENESS_SECONDS", "Histogram"]

BATCH_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
BATCH_EVENTS = (1.0, 10.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_000.0, 4_000.0, 8_000.0, 16_000.0, 32_000.0, 64_000.0)
DELAY_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3_600.0)
LATENESS_SECONDS = (
    *(0.1, 1.0, 10.0, 60.0, 300.0, 1_800.0, 3_600.0, 21_600.0),
    *(86_400.0, 259_200.0, 604_800.0, 2_592_000.0),
)


class Histogram:
    """Counts per bucket and the sum.

    Args:
        limits: the largest value of each bucket but the last, ascending.
        scale: units of the values that are given per unit of the limits: 1e6 for microseconds against seconds.
    """

    __slots__ = ("_counts", "_limits", "_scale", "_total", "limits")

    def __init__(self, limits: Sequence[float], scale: float = 1.0) -> None:
        self.limits = limits
        self._scale = scale
        self._limits = np.array([limit * scale for limit in limits])
        self._counts = np.zeros(len(limits) + 1, np.int64)
        self._total = 0.0

    def observe_one(self, value: float) -> None:
        """Add a value, which is not below 0."""
        self._counts[bisect_left(self.limits, value / self._scale)] += 1
        self._total += value / self._scale

    def observe(self, values: npt.ArrayLike) -> None:
        """Add values; those below 0 count as 0."""
        given = np.maximum(np.asarray(values), 0)
        self._counts += np.bincount(np.searchsorted(self._limits, given), minlength=len(self._counts))
        self._total += float(given.sum()) / self._scale

    def state(self) -> HistogramState:
        return HistogramState(list(self.limits), self._counts.tolist(), self._total)
