"""Closing the gaps of some customers' rows with their archived events, behind the fence.

A row says what it lacks: events up to a source position, dated before a time. A customer without a row lacks all
events up to the position at which the view was begun. Either is added only when the archive is known to reach that
position. What cannot be closed yet is left for later, and pinned first if it was of another layout: a translated row
that is not written would lack more with every event that the flow adds meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import redis

from rapport.bus.protocol import START, Position
from rapport.errors import Fenced, RowCorrupt
from rapport.online import Kept, Layouts
from rapport.online.fence import RowStore, Values
from rapport.online.marks import MARK_BYTES, decode_marks, encode_marks
from rapport.online.stored import bring_up
from rapport.rebuild.chunks import Chunk
from rapport.windows import Plan, complete, lacking

__all__ = ["Restored", "Restorer"]

_ATTEMPTS = 64
_UNKNOWN = -1
_LAST = np.iinfo(np.int64).max
Positions = tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]
Ints = npt.NDArray[np.int64]


@dataclass(slots=True)
class Restored:
    """What became of some customers.

    Attributes:
        written: customers whose rows were written.
        conflicts: customers read again since the flow had written them meanwhile.
        damaged: stored rows that cannot be read, and were left.
        late: customers whose rows lack events that may not be archived yet.
        needs: partition to the position that the archive must reach for them.
    """

    written: int = 0
    conflicts: int = 0
    damaged: int = 0
    late: list[str] = field(default_factory=list)
    needs: dict[int, Position] = field(default_factory=dict)


@dataclass(slots=True)
class _Change:
    """What is to become of k customers' rows of one view: new values (None: none), and which are late."""

    values: list[bytes | None]
    late: npt.NDArray[np.bool_]


class Restorer:
    """Closes gaps in the rows of some views of one topic.

    Args:
        kept: how each view is kept.
        archived: partition to the position that the archive had reached when it was read.
    """

    def __init__(
        self,
        client: redis.Redis,
        project: str,
        plans: Sequence[Plan],
        kept: Mapping[str, Kept],
        layouts: Layouts,
        archived: Mapping[int, Position],
    ) -> None:
        self._plans = plans
        self._kept = [kept[plan.view.name] for plan in plans]
        self._layouts = layouts
        self._archived = archived
        self._store = RowStore(client, project, [plan.view.name for plan in plans])

    def restore(self, chunk: Chunk) -> Restored:
        """Close what can be closed; safe to repeat, and beside a flow that writes.

        Raises:
            StoreUnavailable
            Fenced: the rows change faster than they can be written.
        """
        result = Restored()
        for _ in range(_ATTEMPTS):
            refused = self._attempt(chunk, result)
            if not refused:
                return result
            result.conflicts += len(refused)
            chunk = chunk.of_rows(refused)
        raise Fenced(f"the rows of {len(chunk.ids)} customers changed {_ATTEMPTS} times while being rebuilt")

    def _attempt(self, chunk: Chunk, result: Restored) -> list[int]:
        ids = chunk.ids
        loaded = self._store.load(ids)
        changes = [self._change(v, chunk, [values[v] for values in loaded], result) for v in range(len(self._plans))]
        new: list[Values] = list(zip(*(change.values for change in changes), strict=True))
        touched = [at for at, values in enumerate(new) if any(value is not None for value in values)]
        refused: set[int] = set()
        if touched:
            parts = ([some[at] for at in touched] for some in (ids, loaded, new))
            refused = {touched[at] for at in self._store.write(*parts)}  # type: ignore[arg-type]
        result.written += len(touched) - len(refused)
        late = np.logical_or.reduce([change.late for change in changes])
        result.late += [ids[at] for at in np.flatnonzero(late).tolist() if at not in refused]
        return sorted(refused)

    def _change(self, view: int, chunk: Chunk, values: list[bytes | None], result: Restored) -> _Change:
        plan, begun = self._plans[view], self._kept[view].begun
        current, damaged = bring_up(plan, values, self._layouts)
        rows = [None if value is None else value[MARK_BYTES:] for value in current]
        marks = decode_marks(current)
        has_gap, hi, lo = lacking(plan, rows)
        row_partition = marks["partition"].astype(np.int64)
        late = has_gap & ~_reaches(_of(self._archived, row_partition), (hi, lo))
        self._note_needs(result, row_partition[late], hi[late], lo[late])
        absent = np.fromiter((row is None for row in rows), np.bool_, len(rows))
        absent[damaged] = False
        new = [value if value is not old else None for value, old in zip(current, values, strict=True)]
        self._close(plan, chunk, current, row_partition, begun, has_gap & ~late, absent, new, result)
        result.damaged += len(damaged)
        return _Change(new, late)

    def _close(
        self,
        plan: Plan,
        chunk: Chunk,
        current: Sequence[bytes | None],
        row_partition: Ints,
        begun: Mapping[int, Position],
        gapped: npt.NDArray[np.bool_],
        absent: npt.NDArray[np.bool_],
        new: list[bytes | None],
        result: Restored,
    ) -> None:
        """Put the completed values into `new`."""
        partition, (hi, lo) = chunk.partition, chunk.positions
        before = _reaches(_of(begun, partition), (hi, lo)) | (partition == _UNKNOWN)
        wanted = gapped[chunk.row] | (absent[chunk.row] & before)
        # Positions of different partitions cannot be compared: such an event counts as before all others, or after.
        strange = gapped[chunk.row] & (partition != row_partition[chunk.row])
        hi, lo = (np.where(strange, np.where(before, 0, _LAST), part).astype(np.uint64) for part in (hi, lo))
        todo = np.flatnonzero(gapped | (absent & (np.bincount(chunk.row[wanted], minlength=len(absent)) > 0)))
        while len(todo):
            wanted &= np.isin(chunk.row, todo)
            old = [current[at] for at in todo.tolist()]
            try:
                rows = complete(
                    plan,
                    [None if value is None else value[MARK_BYTES:] for value in old],
                    np.searchsorted(todo, chunk.row[wanted]),
                    chunk.events(plan.columns, wanted),
                    hi[wanted],
                    lo[wanted],
                )
                break
            except RowCorrupt as error:
                if not error.rows:
                    raise
                result.damaged += len(error.rows)
                todo = np.delete(todo, list(error.rows))
        else:
            return
        marks = _first_marks(chunk.row[wanted], partition[wanted], len(absent), begun)
        for at, value, row in zip(todo.tolist(), old, rows, strict=True):
            if row:
                new[at] = (marks[at] if value is None else value[:MARK_BYTES]) + row

    def _note_needs(
        self,
        result: Restored,
        partition: Ints,
        hi: npt.NDArray[np.uint64],
        lo: npt.NDArray[np.uint64],
    ) -> None:
        for part in np.unique(partition).tolist():
            mine = partition == part
            furthest = max(zip(hi[mine].tolist(), lo[mine].tolist(), strict=True))
            result.needs[part] = max(result.needs.get(part, START), Position(*furthest))


def _of(positions: Mapping[int, Position], partition: Ints) -> Positions:
    """The position of each one's partition; START where there is none."""
    hi, lo = np.zeros(len(partition), np.uint64), np.zeros(len(partition), np.uint64)
    for part in np.unique(partition).tolist():
        position = positions.get(part, START)
        mine = partition == part
        hi[mine], lo[mine] = position.hi, position.lo
    return hi, lo


def _reaches(reached: Positions, wanted: Positions) -> npt.NDArray[np.bool_]:
    """Whether wanted is at or before reached."""
    (a, b), (c, d) = reached, wanted
    answer: npt.NDArray[np.bool_] = (c < a) | ((c == a) & (d <= b))
    return answer


def _first_marks(row: Ints, partition: Ints, count: int, begun: Mapping[int, Position]) -> list[bytes]:
    """The marks of rows that are made now: where the partition of each one's events was when the view was begun."""
    of_row = np.full(count, _UNKNOWN, np.int64)
    known = partition != _UNKNOWN
    of_row[row[known]] = partition[known]
    marks = [b""] * count
    for part in np.unique(of_row).tolist():
        position = begun.get(part, START)
        hi, lo = (np.array([value], np.uint64) for value in position)
        mark = encode_marks(max(part, 0), hi, lo)[0]
        for at in np.flatnonzero(of_row == part).tolist():
            marks[at] = mark
    return marks
