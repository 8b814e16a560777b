"""Splits by time. A training row's label must have been known before the first validation row: no label is shared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Split", "expanding_folds", "holdout", "split_at"]

_FIRST_BLOCK = 0.4


@dataclass(frozen=True, slots=True)
class Split:
    """Row numbers to train with and to validate on, and the time of the first validation row."""

    train: NDArray[np.intp]
    valid: NDArray[np.intp]
    start_us: int


def holdout(as_of_us: NDArray[np.int64], share: float, horizon_us: int) -> Split:
    """The newest `share` of the rows against all whose label was complete before them.

    Args:
        as_of_us: int64[n], ascending.
    """
    start = int(as_of_us[min(len(as_of_us) - 1, round(len(as_of_us) * (1 - share)))])
    return split_at(as_of_us, start, horizon_us)


def expanding_folds(as_of_us: NDArray[np.int64], folds: int, horizon_us: int) -> list[Split]:
    """Folds whose validation blocks follow one another, each trained with all that was complete before its block.

    The first two fifths of the rows are only trained with. A fold can come out without training rows, when the history
    is short against the horizon.

    Args:
        as_of_us: int64[n], ascending.
    """
    edges = np.linspace(_FIRST_BLOCK, 1, folds + 1) * len(as_of_us)
    times: list[int | None] = [int(as_of_us[min(round(edge), len(as_of_us) - 1)]) for edge in edges]
    times[-1] = None
    starts = [time for time in times if time is not None]
    return [split_at(as_of_us, start, horizon_us, end_us=end) for start, end in zip(starts, times[1:], strict=True)]


def split_at(as_of_us: NDArray[np.int64], start_us: int, horizon_us: int, *, end_us: int | None = None) -> Split:
    """Rows from start_us up to and without end_us against all whose label was complete before start_us."""
    complete = as_of_us + horizon_us < start_us
    valid = as_of_us >= start_us
    if end_us is not None:
        valid &= as_of_us < end_us
    return Split(np.flatnonzero(complete), np.flatnonzero(valid), start_us)
