"""Which rows have gaps, and how far their customers' past must be known to close them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rapport.windows.compiled import jit
from rapport.windows.gaps import read_gap
from rapport.windows.plan import Plan
from rapport.windows.rows import body_of, first_gap, gather

__all__ = ["lacking"]


def lacking(
    plan: Plan, rows: Sequence[bytes | None]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """For r stored rows of the plan's layout: bool[r], whether a row has gaps; uint64[r] twice, the greatest source
    position (hi, lo) that its gaps name. Absent and damaged rows have none."""
    src, starts = gather(plan, rows)
    has = np.zeros(len(rows), np.bool_)
    hi, lo = np.zeros(len(rows), np.uint64), np.zeros(len(rows), np.uint64)
    _look(src, starts, len(plan.series), has, hi, lo)
    return has, hi, lo


@jit
def _look(src, starts, n_series, has, hi, lo):
    for row in range(len(has)):
        start, end = starts[row], starts[row + 1]
        if start == end or body_of(src, start, end, n_series) < 0:
            continue
        n, place = first_gap(src, start, end, n_series)
        for _ in range(n):
            _series, _since, gap_hi, gap_lo, place = read_gap(src, place)
            has[row] = True
            if gap_hi > hi[row] or (gap_hi == hi[row] and gap_lo > lo[row]):
                hi[row], lo[row] = gap_hi, gap_lo
