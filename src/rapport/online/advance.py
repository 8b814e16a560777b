"""One view's rows, moved forward by a batch. Values in, values out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rapport.errors import RowCorrupt
from rapport.online.batch import Batch
from rapport.online.marks import MARK_BYTES, Marks, decode_marks, encode_marks
from rapport.online.stored import KnownLayouts, bring_up
from rapport.windows import Gap, Plan, update

__all__ = ["Outcome", "advance"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a batch does to one view's rows.

    Attributes:
        values: row number to its new value (mark and row); rows that stay as they are have none.
        applied, replayed: int64[k], events added to each row, and events that it had seen.
        damaged: numbers of the rows that cannot be read.
    """

    values: dict[int, bytes]
    applied: npt.NDArray[np.int64]
    replayed: npt.NDArray[np.int64]
    damaged: list[int]


def advance(
    plan: Plan,
    stored: Sequence[bytes | None],
    batch: Batch,
    layouts: KnownLayouts | None = None,
    begun: Gap | None = None,
) -> Outcome:
    """Add the batch's events to the k stored values, but those at or before a value's mark.

    Args:
        layouts: finds the layouts of rows that were written under another declaration.
        begun: what the row of a customer lacks of whom nothing is stored.
    """
    values, damaged = bring_up(plan, stored, layouts)
    fresh = _is_after(batch, decode_marks(values)) & ~np.isin(batch.row_of_event, damaged)
    while True:
        part, numbers = (batch, list(range(batch.rows))) if fresh.all() else batch.part(fresh)
        try:
            new = _update(plan, [values[at] for at in numbers], part, begun)
            break
        except RowCorrupt as error:
            if not error.rows:
                raise
            hurt = [numbers[at] for at in error.rows]
            damaged += hurt
            fresh &= ~np.isin(batch.row_of_event, hurt)
    given = np.bincount(batch.row_of_event, minlength=batch.rows)
    applied = np.bincount(batch.row_of_event[fresh], minlength=batch.rows)
    replayed = given - applied
    replayed[damaged] = 0
    return Outcome(dict(zip(numbers, new, strict=True)), applied, replayed, damaged)


def _update(plan: Plan, values: Sequence[bytes | None], batch: Batch, begun: Gap | None) -> list[bytes]:
    if not batch.rows:
        return []
    bare = [None if value is None else value[MARK_BYTES:] for value in values]
    rows = update(plan, bare, batch.row_of_event, batch.events, begun=begun)
    last = np.zeros(batch.rows, np.int64)
    np.maximum.at(last, batch.row_of_event, np.arange(len(batch.row_of_event)))
    marks = encode_marks(batch.partition, batch.hi[last], batch.lo[last])
    return [mark + row for mark, row in zip(marks, rows, strict=True)]


def _is_after(batch: Batch, marks: Marks) -> npt.NDArray[np.bool_]:
    mine = marks["partition"] == batch.partition
    hi = np.where(mine, marks["hi"], 0).astype(np.uint64)[batch.row_of_event]
    lo = np.where(mine, marks["lo"], 0).astype(np.uint64)[batch.row_of_event]
    after: npt.NDArray[np.bool_] = (batch.hi > hi) | ((batch.hi == hi) & (batch.lo > lo))
    return after
