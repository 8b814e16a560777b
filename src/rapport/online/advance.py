"""One view's rows, moved forward by a batch. Buffers in, buffers out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rapport.errors import RowCorrupt
from rapport.online.batch import Batch
from rapport.online.marks import MARK_BYTES
from rapport.online.packed import Longs, Packed, buffer_of, copy_bytes, pack
from rapport.online.stored import KnownLayouts, bring_up, head_of
from rapport.windows import Gap, Plan
from rapport.windows.compiled import jit
from rapport.windows.packed import Workspace, how_to_begin, pack_events, update_packed
from rapport.windows.rows import HEADER_BYTES, PADDING

__all__ = ["Advance", "Change"]


class Change:
    """What becomes of the values of k customers in some views.

    Args:
        loaded: the values, customer by customer.

    Attributes:
        new: the new values (mark and row), view by view, as far as views have been added; empty where a row stays as
            it is.
        counts: int64[2, views, k], events that were added to each row, and events that it had seen.
        damaged: (view, number of the customer) of values that cannot be read.
    """

    def __init__(self, loaded: Packed, views: int) -> None:
        self.loaded = loaded
        self.views = views
        self.customers = loaded.size // views
        room = 2 * loaded.nbytes + 256 * loaded.size
        self.new = Packed(np.empty(room, np.uint8), np.zeros(loaded.size + 1, np.int64))
        self.counts = np.zeros((2, views, self.customers), np.int64)
        self.damaged: list[tuple[int, int]] = []

    def make_room(self, used: int, more: int) -> None:
        """Have room for more bytes of new values."""
        if used + more > len(self.new.data):
            data = np.empty(2 * (used + more), np.uint8)
            data[:used] = self.new.data[:used]
            self.new = Packed(data, self.new.starts)

    def touched(self) -> Longs:
        """The numbers of the customers with new values."""
        numbers = np.empty(self.customers, np.int64)
        return numbers[: _touched(self.new.starts, self.views, numbers)]

    def counted(self, kept: npt.NDArray[np.bool_]) -> tuple[int, int]:
        """Events added, and events seen before, of those customers (bool[k]) who were written."""
        added, replayed = _counted(self.counts, kept)
        return added, replayed


class Advance:
    """Moves one view's rows forward, batch by batch, and some rows of a batch at a time.

    Args:
        view: the number of the plan's view among those of a customer.
        workspace: shared by all that one thread does.
        layouts: finds the layouts of rows that were written under another declaration.
    """

    def __init__(self, plan: Plan, view: int, workspace: Workspace, layouts: KnownLayouts | None = None) -> None:
        self.plan = plan
        self._view = view
        self._workspace = workspace
        self._layouts = layouts
        self._head = buffer_of(head_of(plan))
        self._begun: Gap | None = None
        self._how = how_to_begin(None)

    def begin(self, batch: Batch, begun: Gap | None = None) -> None:
        """Turn to a batch. `begun`: what the row of a customer lacks of whom nothing is stored."""
        self._batch = batch
        if begun != self._begun:
            self._begun, self._how = begun, how_to_begin(begun)
        self._events = pack_events(self.plan, batch.events)

    def rows(self, first: int, change: Change) -> None:
        """Add their events to the values of the batch's customers from number `first` on, but those at or before a
        value's mark; views come in their order."""
        stored, damaged = (change.loaded, change.views, self._view), list[int]()
        while True:
            try:
                if self._rows(first, stored, damaged, change):
                    break
                values, damaged = self._bring_up(change)
                stored = values, 1, 0
            except RowCorrupt as error:
                if not error.rows:
                    raise
                damaged += error.rows
        change.damaged += [(self._view, row) for row in damaged]

    def _bring_up(self, change: Change) -> tuple[Packed, list[int]]:
        """The values with those of other layouts translated, and the numbers of those that are damaged."""
        places = range(self._view, change.loaded.size, change.views)
        current, damaged = bring_up(self.plan, [change.loaded.get(at) or None for at in places], self._layouts)
        return pack(current), damaged

    def _rows(self, first: int, stored: tuple[Packed, int, int], damaged: list[int], change: Change) -> bool:
        """False, and nothing done, when a value is of another layout."""
        batch, count, texts = self._batch, change.customers, self._events.texts
        given = batch.groups[first : first + count + 1]
        skipped = np.zeros(count, np.bool_)
        if damaged:
            skipped[damaged] = True
        kept, newest = np.empty(int(given[-1] - given[0]), np.int64), np.empty(count, np.int64)
        groups, starts = np.zeros(count + 1, np.int64), np.empty(count + 1, np.int64)
        src = self._workspace.grow_src(len(texts) + stored[0].nbytes + PADDING)
        values, views, view = stored
        if not _select(
            *values, views, view, self._head, batch.partition, *batch.places, batch.order, given, skipped,
            kept, groups, newest, change.counts, self._view, texts, src, starts,
        ):  # fmt: skip
            return False
        out, ends = update_packed(self.plan, src, starts, kept, groups, self._events, self._workspace, how=self._how)
        place = self._view * count
        change.make_room(int(change.new.starts[place]), int(ends[-1]) + MARK_BYTES * count)
        _add_values(out, ends, newest, batch.partition, *batch.places, *change.new, place)
        return True


@jit
def _read_number(data, at, size):
    """A big-endian number of up to 64 bits."""
    number = np.uint64(0)
    for i in range(size):
        number = (number << np.uint64(8)) | np.uint64(data[at + i])
    return number


@jit
def _write_number(out, at, size, number):
    for i in range(size):
        out[at + i] = np.uint8((number >> np.uint64(8 * (size - 1 - i))) & np.uint64(0xFF))
    return at + size


@jit
def _has_head(data, start, end, head):
    """Whether a value's row is of the plan's version and layout."""
    for i in range(len(head)):
        at = start + MARK_BYTES + i
        if at >= end or data[at] != head[i]:
            return False
    return True


@jit
def _select(
    data, places, views, view, head, partition, hi, lo, order, given, skipped,
    kept, groups, newest, counts, counted, texts, src, starts,
):  # fmt: skip
    """For each row, the events that it has not seen, and its bytes if it has such events.

    Fills: kept, groups as `update_packed` takes them; newest[r], the event whose position is the row's last, -1 when
    it gets none; the view's counts; src and starts, the texts and behind them the rows. Stops with False at a value of
    another layout.
    """
    n_kept, at = 0, copy_bytes(texts, np.int64(0), np.int64(len(texts)), src, np.int64(0))
    starts[0] = at
    for r in range(len(skipped)):
        start, end = places[r * views + view], places[r * views + view + 1]
        if start < end and not skipped[r] and not _has_head(data, start, end, head):
            return False
        usable = end - start > MARK_BYTES + HEADER_BYTES
        seen_hi, seen_lo = np.uint64(0), np.uint64(0)
        if usable and _read_number(data, start, 2) == np.uint64(partition):
            seen_hi = _read_number(data, start + 2, 8)
            seen_lo = _read_number(data, start + 10, 8)
        newest[r], replayed = -1, 0
        for j in range(given[r], given[r + 1]):
            event = order[j]
            if skipped[r]:
                continue
            if hi[event] < seen_hi or (hi[event] == seen_hi and lo[event] <= seen_lo):
                replayed += 1
                continue
            kept[n_kept] = event
            n_kept += 1
            newest[r] = max(newest[r], event)
        counts[0, counted, r], counts[1, counted, r] = n_kept - groups[r], replayed
        groups[r + 1] = n_kept
        if usable and newest[r] >= 0:
            at = copy_bytes(data, start + MARK_BYTES, end, src, at)
        starts[r + 1] = at
    for i in range(PADDING):
        src[at + i] = 0
    return True


@jit
def _add_values(rows, ends, newest, partition, hi, lo, out, places, place):
    """Append each row with its new mark before it, as the values from number `place` on; rows without events get no
    value."""
    at = places[place]
    for r in range(len(newest)):
        if newest[r] >= 0:
            at = _write_number(out, at, 2, np.uint64(partition))
            at = _write_number(out, at, 8, hi[newest[r]])
            at = _write_number(out, at, 8, lo[newest[r]])
            at = copy_bytes(rows, ends[r], ends[r + 1], out, at)
        places[place + r + 1] = at


@jit
def _touched(starts, views, numbers):
    count, n_touched = len(numbers), 0
    for r in range(count):
        for view in range(views):
            if starts[view * count + r] < starts[view * count + r + 1]:
                numbers[n_touched] = r
                n_touched += 1
                break
    return n_touched


@jit
def _counted(counts, kept):
    added, replayed = 0, 0
    for view in range(counts.shape[1]):
        for r in range(len(kept)):
            if kept[r]:
                added += counts[0, view, r]
                replayed += counts[1, view, r]
    return added, replayed
