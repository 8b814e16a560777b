"""RFM: what recency, frequency and monetary value say of a customer, in scores of 1 to 5 and the usual names."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

__all__ = ["RFM_NAMES", "UNKNOWN", "RfmScores", "RfmThresholds", "rfm_name"]

UNKNOWN = "Unknown"
"""The name of a customer without purchases."""

_NAMES = (
    # F and M together:   1                2                       3                       4                 5
    ("Lost",           "Lost",               "At Risk",            "At Risk",         "Can't Lose Them"),  # R 1
    ("Hibernating",    "Hibernating",        "At Risk",            "At Risk",         "Can't Lose Them"),  # R 2
    ("About To Sleep", "About To Sleep",     "Need Attention",     "Loyal Customers", "Loyal Customers"),  # R 3
    ("Promising",      "Potential Loyalists", "Potential Loyalists", "Loyal Customers", "Loyal Customers"),  # R 4
    ("New Customers",  "Potential Loyalists", "Potential Loyalists", "Champions",     "Champions"),  # R 5
)  # fmt: skip
RFM_NAMES = tuple(sorted({name for row in _NAMES for name in row}))
_QUANTILES = (0.2, 0.4, 0.6, 0.8)


class RfmScores(NamedTuple):
    """Scores of 1 (worst) to 5 (best), 0 for a customer without purchases, and the segment's name."""

    r: int
    f: int
    m: int
    name: str


class RfmThresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The quintiles of the customers with purchases: four ascending edges each."""

    recency_s: tuple[float, float, float, float]
    frequency: tuple[float, float, float, float]
    monetary_micros: tuple[float, float, float, float]

    @classmethod
    def fit(
        cls, recency_s: Sequence[float], frequency: Sequence[float], monetary_micros: Sequence[float]
    ) -> RfmThresholds:
        """Thresholds of customers with purchases; no NaN among them.

        Raises:
            ValueError: there are none.
        """
        if not len(recency_s):
            raise ValueError("no customer has purchases: quantiles need at least one")
        edges = [tuple(np.quantile(values, _QUANTILES).tolist()) for values in (recency_s, frequency, monetary_micros)]
        return cls(*edges)

    def scores(self, recency_s: float | None, frequency: float | None, monetary_micros: float | None) -> RfmScores:
        """Scores of one customer. None or NaN recency, or no orders, is a customer without purchases.

        A value equal to an edge stays in the lower quintile, so that equal customers always score equally.
        """
        if _absent(recency_s) or _absent(frequency) or not frequency:
            return RfmScores(0, 0, 0, UNKNOWN)
        r = 5 - bisect_left(self.recency_s, recency_s)  # type: ignore[type-var]
        f = 1 + bisect_left(self.frequency, frequency)
        m = 1 + bisect_left(self.monetary_micros, 0.0 if _absent(monetary_micros) else monetary_micros)  # type: ignore[type-var]
        return RfmScores(r, f, m, rfm_name(r, f, m))


def rfm_name(r: int, f: int, m: int) -> str:
    """The segment of three scores of 1 to 5: by recency, and by the mean of frequency and monetary, rounded up."""
    return _NAMES[r - 1][(f + m + 1) // 2 - 1]


def _absent(value: float | None) -> bool:
    return value is None or math.isnan(value)
