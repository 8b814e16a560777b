"""The write side of the engine for callers that keep rows and results in buffers of their own, not in Python bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rapport.errors import RowCorrupt
from rapport.windows.columns import Events
from rapport.windows.compiled import jit, writable
from rapport.windows.gaps import GAP_BYTES
from rapport.windows.keyed import columns_of
from rapport.windows.plan import Plan
from rapport.windows.rows import new_cursor
from rapport.windows.tiles import DISTINCT_LIMIT, scratch_tile
from rapport.windows.updating import CORRUPT, FULL, how_to_begin, update_rows

__all__ = ["PackedEvents", "Workspace", "how_to_begin", "pack_events", "sort_by_row", "update_packed"]

ADD = how_to_begin(None)

Bytes = npt.NDArray[np.uint8]
Longs = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PackedEvents:
    """A batch's columns as the engine takes them.

    Attributes:
        columns: the plan's columns (Keyed, as a plain tuple); a string's key is its place in `texts`.
        texts: the bytes of all strings. They must stand at the start of the buffer that rows are given in.
    """

    columns: tuple[npt.NDArray[Any], ...]
    texts: Bytes


class Workspace:
    """Buffers that are used again from call to call. One thread at a time."""

    def __init__(self) -> None:
        self.src, self.out, self.scratch = (np.empty(1 << 16, np.uint8) for _ in range(3))
        self.cursor = tuple(new_cursor())

    def grow(self, size: int) -> None:
        """Have room for `size` bytes in `out` and `scratch`; what they hold is lost."""
        if size > len(self.out):
            self.out, self.scratch = np.empty(2 * size, np.uint8), np.empty(2 * size, np.uint8)

    def grow_src(self, size: int) -> Bytes:
        """The buffer for rows that are given, with room for `size` bytes; what it holds is lost."""
        if size > len(self.src):
            self.src = np.empty(2 * size, np.uint8)
        return self.src


def pack_events(plan: Plan, events: Events) -> PackedEvents:
    """The plan's columns of the events; done once, however many calls take some of the events."""
    columns, texts = columns_of(plan, events, 0)
    return PackedEvents(tuple(columns), writable(texts))


def sort_by_row(row_of_event: Longs, event_time_us: Longs, rows: int) -> tuple[Longs, Longs]:
    """The order of n events by row, newest first, and int64[rows + 1]: where each row's events start in it.

    Raises:
        ValueError: a number of a row that is not 0 to rows - 1.
    """
    order, groups = np.empty(len(row_of_event), np.int64), np.zeros(rows + 2, np.int64)
    stray = _sort_by_row(row_of_event, writable(event_time_us), order, groups)
    if stray >= 0:
        raise ValueError(f"event {stray} is of row {row_of_event[stray]}: 0 to {rows - 1} is allowed")
    return order, groups[:-1]


@jit
def _sort_by_row(row_of_event, times, order, groups):
    """Fill order and groups (zeros, one longer than there are starts): -1, or an event whose row there is not."""
    rows = len(groups) - 2
    for event in range(len(row_of_event)):
        row = row_of_event[event]
        if row < 0 or row >= rows:
            return event
        groups[row + 2] += 1
    for row in range(rows):
        groups[row + 2] += groups[row + 1]
    # What came last is most often the newest.
    for event in range(len(row_of_event) - 1, -1, -1):
        place = row_of_event[event] + 1
        order[groups[place]] = event
        groups[place] += 1
    for row in range(rows):
        _sort_newest_first(times, order, groups[row], groups[row + 1])
    return -1


@jit
def _sort_newest_first(times, order, start, end):
    """Sort order[start:end] by time, in ever smaller steps (Shell)."""
    gap = 1
    while 3 * gap + 1 < end - start:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(start + gap, end):
            event, j = order[i], i
            while j >= start + gap and times[order[j - gap]] < times[event]:
                order[j] = order[j - gap]
                j -= gap
            order[j] = event
        gap //= 3


def update_packed(
    plan: Plan,
    src: Bytes,
    starts: Longs,
    order: Longs,
    groups: Longs,
    events: PackedEvents,
    workspace: Workspace,
    *,
    how: Longs = ADD,
) -> tuple[Bytes, Longs]:
    """Add events to rows: `update`, over buffers.

    Args:
        src: `events.texts`, then r rows of the plan's layout without gaps between them, then PADDING zero bytes; what
            is behind them does not matter. It may be the workspace's `src`.
        starts: int64[r + 1], where each row starts in `src`; one without bytes is begun anew.
        order, groups: which of the events are added to each row: those at order[groups[i]:groups[i + 1]], newest first.
        workspace: its `out` holds the result until the next call.
        how: what rows lack that are begun now (`how_to_begin`); default: nothing.

    Returns:
        A buffer, and int64[r + 1]: where each row after the events starts in it. A row that got no event comes back
        as it was.

    Raises:
        RowCorrupt: as `update`.
    """
    rows, size, added = len(starts) - 1, int(starts[-1]), int(groups[-1])
    ends = np.zeros(rows + 1, np.int64)
    tile = tuple(scratch_tile(DISTINCT_LIMIT + added + 1))
    workspace.grow(2 * size + (512 + GAP_BYTES * len(plan.series)) * rows + 64 * added)
    layout = int.from_bytes(plan.layout, "little")
    while True:
        result, row = update_rows(
            plan.series, layout, src, starts, order, groups, events.columns, how, tile,
            workspace.out, workspace.scratch, ends, workspace.cursor,
        )  # fmt: skip
        if result == CORRUPT:
            raise RowCorrupt(f"row {row} of view {plan.view.name!r} is not in the documented format", rows=(int(row),))
        if result != FULL:
            return workspace.out, ends
        workspace.grow(2 * len(workspace.out))
