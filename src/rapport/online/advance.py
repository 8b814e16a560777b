"""One view's rows, moved forward by a batch. Buffers in, buffers out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rapport.errors import RowCorrupt
from rapport.online.batch import Batch
from rapport.online.marks import MARK_BYTES
from rapport.online.packed import Longs, Packed, copy_bytes, pack
from rapport.online.stored import KnownLayouts, bring_up, head_of
from rapport.windows import Gap, Plan
from rapport.windows.compiled import jit
from rapport.windows.packed import PackedEvents, Workspace, pack_events, update_packed
from rapport.windows.rows import HEADER_BYTES, PADDING

__all__ = ["Advance", "Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a batch does to one view's k rows.

    Attributes:
        values: the k new values (mark and row); empty where a row stays as it is.
        applied, replayed: int64[k], events added to each row, and events that it had seen.
        damaged: numbers of the rows that cannot be read.
    """

    values: Packed
    applied: Longs
    replayed: Longs
    damaged: list[int]


class Advance:
    """Moves one view's rows forward by one batch, some rows at a time.

    Args:
        workspace: shared by all that one thread does.
        layouts: finds the layouts of rows that were written under another declaration.
        begun: what the row of a customer lacks of whom nothing is stored.
    """

    def __init__(
        self,
        plan: Plan,
        batch: Batch,
        workspace: Workspace,
        layouts: KnownLayouts | None = None,
        begun: Gap | None = None,
    ) -> None:
        self._plan = plan
        self._batch = batch
        self._workspace = workspace
        self._layouts = layouts
        self._begun = begun
        self._events: PackedEvents = pack_events(plan, batch.events)
        self._head = np.frombuffer(bytearray(head_of(plan)), np.uint8)

    def rows(self, first: int, stored: Packed) -> Outcome:
        """Add their events to the stored values of the batch's customers from number `first` on, but those at or
        before a value's mark."""
        stored, damaged = self._bring_up(stored)
        skipped = np.zeros(stored.size, np.bool_)
        while True:
            skipped[damaged] = True
            try:
                return self._rows(first, stored, skipped, damaged)
            except RowCorrupt as error:
                if not error.rows:
                    raise
                damaged += error.rows

    def _bring_up(self, stored: Packed) -> tuple[Packed, list[int]]:
        """The values with those of other layouts translated, and the numbers of those that are damaged."""
        other = np.zeros(stored.size, np.bool_)
        _find_others(stored, self._head, other)
        numbers = np.flatnonzero(other).tolist()
        if not numbers:
            return stored, []
        values = [stored.get(number) or None for number in range(stored.size)]
        current, damaged = bring_up(self._plan, [values[number] for number in numbers], self._layouts)
        for number, value in zip(numbers, current, strict=True):
            values[number] = value
        return pack(values), [numbers[at] for at in damaged]

    def _rows(self, first: int, stored: Packed, skipped: npt.NDArray[np.bool_], damaged: list[int]) -> Outcome:
        batch, count = self._batch, stored.size
        given = batch.groups[first : first + count + 1]
        order, groups = np.empty(given[-1] - given[0], np.int64), np.zeros(count + 1, np.int64)
        newest, replayed = np.full(count, -1, np.int64), np.zeros(count, np.int64)
        texts = self._events.texts
        src, starts = np.empty(len(texts) + stored.nbytes + PADDING, np.uint8), np.empty(count + 1, np.int64)
        src[: len(texts)] = texts
        starts[0] = len(texts)
        _select(
            stored, batch.partition, batch.hi, batch.lo, batch.order, given, skipped,
            order, groups, newest, replayed, src, starts,
        )  # fmt: skip
        src[starts[-1] : starts[-1] + PADDING] = 0
        src = src[: starts[-1] + PADDING]
        out, ends = update_packed(
            self._plan, src, starts, order[: groups[-1]], groups, self._events, self._workspace, begun=self._begun
        )
        values = Packed(np.empty(int(ends[-1]) + MARK_BYTES * count + 1, np.uint8), np.zeros(count + 1, np.int64))
        _add_marks(out, ends, newest, batch.partition, batch.hi, batch.lo, values)
        return Outcome(values, np.diff(groups), replayed, damaged)


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
def _find_others(stored, head, other):
    """Which values there are whose rows are not of the plan's version and layout."""
    for r in range(len(other)):
        start, end = stored.starts[r], stored.starts[r + 1]
        for i in range(len(head)):
            at = start + MARK_BYTES + i
            if start < end and (at >= end or stored.data[at] != head[i]):
                other[r] = True


@jit
def _select(stored, partition, hi, lo, order, given, skipped, kept, groups, newest, replayed, src, starts):
    """For each row, the events that it has not seen, and its bytes if it has such events.

    Fills: kept, groups as `update_packed` takes them; newest[r], the event whose position is the row's last, -1 when
    it gets none; replayed[r]; src and starts, the rows.
    """
    n_kept, at = 0, starts[0]
    for r in range(len(skipped)):
        start, end = stored.starts[r], stored.starts[r + 1]
        usable = end - start > MARK_BYTES + HEADER_BYTES
        seen_hi, seen_lo = np.uint64(0), np.uint64(0)
        if usable and _read_number(stored.data, start, 2) == np.uint64(partition):
            seen_hi = _read_number(stored.data, start + 2, 8)
            seen_lo = _read_number(stored.data, start + 10, 8)
        for j in range(given[r], given[r + 1]):
            event = order[j]
            if skipped[r]:
                continue
            if hi[event] < seen_hi or (hi[event] == seen_hi and lo[event] <= seen_lo):
                replayed[r] += 1
                continue
            kept[n_kept] = event
            n_kept += 1
            newest[r] = max(newest[r], event)
        groups[r + 1] = n_kept
        if usable and newest[r] >= 0:
            at = copy_bytes(stored.data, start + MARK_BYTES, end, src, at)
        starts[r + 1] = at


@jit
def _add_marks(rows, ends, newest, partition, hi, lo, values):
    """Put each row's new mark before it; rows without events get no value."""
    at = np.int64(0)
    for r in range(len(newest)):
        if newest[r] >= 0:
            at = _write_number(values.data, at, 2, np.uint64(partition))
            at = _write_number(values.data, at, 8, hi[newest[r]])
            at = _write_number(values.data, at, 8, lo[newest[r]])
            at = copy_bytes(rows, ends[r], ends[r + 1], values.data, at)
        values.starts[r + 1] = at
