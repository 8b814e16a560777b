"""The write side of the engine for callers that keep rows and results in buffers of their own, not in Python bytes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from rapport.errors import RowCorrupt
from rapport.windows.columns import Events
from rapport.windows.gaps import GAP_BYTES, Gap
from rapport.windows.keyed import Keyed, keyed
from rapport.windows.plan import Plan
from rapport.windows.rows import PADDING, new_cursor
from rapport.windows.tiles import DISTINCT_LIMIT, scratch_tile
from rapport.windows.updating import CORRUPT, FULL, how_to_begin, update_rows

__all__ = ["PackedEvents", "Workspace", "pack_events", "sort_by_row", "update_packed"]

Bytes = npt.NDArray[np.uint8]
Longs = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PackedEvents:
    """A batch's columns as the engine takes them.

    Attributes:
        columns: the plan's columns; a string's key is its place in `texts`.
        texts: the bytes of all strings. They must stand at the start of the buffer that rows are given in.
    """

    columns: Keyed
    texts: Bytes


@dataclass(slots=True)
class Workspace:
    """Buffers that are used again from call to call. One thread at a time."""

    out: Bytes = field(default_factory=lambda: np.empty(1 << 16, np.uint8))
    scratch: Bytes = field(default_factory=lambda: np.empty(1 << 16, np.uint8))

    def grow(self, size: int) -> None:
        """Have room for `size` bytes in each; what they hold is lost."""
        if size > len(self.out):
            self.out, self.scratch = np.empty(2 * size, np.uint8), np.empty(2 * size, np.uint8)


def pack_events(plan: Plan, events: Events) -> PackedEvents:
    """The plan's columns of the events; done once, however many calls take some of the events."""
    columns, texts = keyed(plan, events, np.zeros(PADDING, np.uint8))
    return PackedEvents(columns, texts[: len(texts) - PADDING])


def sort_by_row(row_of_event: Longs, event_time_us: Longs, rows: int) -> tuple[Longs, Longs]:
    """The order of n events by row, newest first, and int64[rows + 1]: where each row's events start in it."""
    order = np.lexsort((-event_time_us, row_of_event))
    groups = np.zeros(rows + 1, np.int64)
    np.cumsum(np.bincount(row_of_event, minlength=rows), out=groups[1:])
    return order, groups


def update_packed(
    plan: Plan,
    src: Bytes,
    starts: Longs,
    order: Longs,
    groups: Longs,
    events: PackedEvents,
    workspace: Workspace,
    *,
    begun: Gap | None = None,
) -> tuple[Bytes, Longs]:
    """Add events to rows: `update`, over buffers.

    Args:
        src: `events.texts`, then r rows of the plan's layout without gaps between them, then PADDING zero bytes.
        starts: int64[r + 1], where each row starts in `src`; one without bytes is begun anew.
        order, groups: which of the events are added to each row: those at order[groups[i]:groups[i + 1]], newest first.
        workspace: its `out` holds the result until the next call.
        begun: what rows lack that are begun now.

    Returns:
        A buffer, and int64[r + 1]: where each row after the events starts in it. A row that got no event comes back
        as it was.

    Raises:
        RowCorrupt: as `update`.
    """
    rows = len(starts) - 1
    ends = np.zeros(rows + 1, np.int64)
    tile = scratch_tile(DISTINCT_LIMIT + len(order) + 1)
    workspace.grow(2 * len(src) + (512 + GAP_BYTES * len(plan.series)) * rows + 64 * len(order))
    while True:
        result, row = update_rows(
            plan.series, int.from_bytes(plan.layout, "little"), src, starts, order, groups,
            events.columns, how_to_begin(begun), tile, workspace.out, workspace.scratch, ends, new_cursor(),
        )  # fmt: skip
        if result == CORRUPT:
            raise RowCorrupt(f"row {row} of view {plan.view.name!r} is not in the documented format", rows=(int(row),))
        if result != FULL:
            return workspace.out, ends
        workspace.grow(2 * len(workspace.out))
