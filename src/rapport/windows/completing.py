"""Closing the gaps of rows: their customers' past, added to the series that lack it, and to no other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rapport.windows.columns import Events
from rapport.windows.compiled import jit
from rapport.windows.gaps import is_in_gap, read_gap
from rapport.windows.keyed import keyed
from rapport.windows.plan import Plan
from rapport.windows.rows import body_of, first_gap, gather
from rapport.windows.updating import COMPLETING, run

__all__ = ["complete"]


def complete(
    plan: Plan,
    rows: Sequence[bytes | None],
    row_of_event: npt.NDArray[np.int64],
    events: Events,
    hi: npt.NDArray[np.uint64],
    lo: npt.NDArray[np.uint64],
) -> list[bytes]:
    """Add to rows what their gaps say they lack.

    Args:
        plan: the view's plan.
        rows: r stored rows of the plan's layout; None is a customer of whom nothing is stored, and gets all events.
        row_of_event: int64[n], the row of each event.
        events: n events: at least all those that the gaps mean. A series takes those that its gap means, each once.
        hi, lo: uint64[n], the source position of each event.

    Returns:
        The r rows, without gaps. None without events comes back as b"".

    Raises:
        RowCorrupt: a row is not in the documented format; `rows` has its index.
    """
    src, starts = gather(plan, rows)
    hidden = np.ones((len(plan.series), len(events)), np.bool_)
    order = np.argsort(row_of_event, kind="stable")
    groups = np.searchsorted(row_of_event[order], np.arange(len(rows) + 1))
    _show_lacking(src, starts, order, groups, events.event_time_us, hi, lo, hidden)
    columns, src = keyed(plan, events, src, hidden)
    return run(plan, src, starts, row_of_event, columns, np.array([COMPLETING, 0, 0, 0], np.int64))


@jit
def _show_lacking(src, starts, order, groups, times, hi, lo, hidden):
    """Set hidden[s, event] to False where series s of the event's row lacks the event."""
    n_series = len(hidden)
    for row in range(len(starts) - 1):
        start, end = starts[row], starts[row + 1]
        if start == end:
            for j in range(groups[row], groups[row + 1]):
                for s in range(n_series):
                    hidden[s, order[j]] = False
            continue
        if body_of(src, start, end, n_series) < 0:
            # A damaged row is reported by who writes it.
            continue
        n, place = first_gap(src, start, end, n_series)
        for _ in range(n):
            s, since, gap_hi, gap_lo, place = read_gap(src, place)
            for j in range(groups[row], groups[row + 1]):
                event = order[j]
                hidden[s, event] = not is_in_gap(since, gap_hi, gap_lo, times[event], hi[event], lo[event])
