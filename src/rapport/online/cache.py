"""A bounded memory of rows just written, so that busy customers are not read back from Redis at every batch.

It may be stale: the fence finds that out at the write.

Values stand one behind the other in a buffer of fixed size, a record per write. When the buffer is full it is set
aside, and the one that was aside before is forgotten whole: what is remembered is always the last half of it at least,
however many customers there are, and forgetting costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import NamedTuple

import numpy as np

from rapport.online.packed import Longs, Packed, copy_bytes
from rapport.windows.compiled import jit

__all__ = ["Known", "RowCache"]


class _Half:
    """Up to `rows` records of `views` values each, in a buffer of `size` bytes."""

    def __init__(self, rows: int, size: int, views: int) -> None:
        self.numbers: dict[str, int] = {}
        self.used = 0
        # Memory is taken from the system as it is written to.
        self.values = Packed(np.empty(size, np.uint8), np.zeros(rows * views + 1, np.int64))


class Known(NamedTuple):
    """Where the cache has the values of k customers.

    Attributes:
        young, old: int64[k], the record in either half, -1: none there. The young one counts.
    """

    young: Longs
    old: Longs

    def unknown(self) -> Longs:
        """The numbers of the customers of whom nothing is known."""
        numbers = np.empty(len(self.young), np.int64)
        return numbers[: _unknown(*self, numbers)]


class RowCache:
    """The values of the customers written last.

    Args:
        rows: customers at most. 0: none.
        size: bytes of values at most.
        views: values of a customer.
    """

    def __init__(self, rows: int, size: int, views: int) -> None:
        if rows < 0:
            raise ValueError(f"a cache of {rows} rows; 0 (none) or more is allowed")
        if size < 0:
            raise ValueError(f"a cache of {size} bytes; 0 (none) or more is allowed")
        self._views = views
        self._keeps_any = min(rows // 2, size // 2) > 0
        self._young, self._old = (_Half(rows // 2, size // 2, views) for _ in range(2))

    def __len__(self) -> int:
        return len(self._young.numbers.keys() | self._old.numbers.keys())

    def find(self, customer_ids: Sequence[str]) -> Known:
        """Where the values of k customers are; it holds until the next `put`."""
        young, old = (
            np.fromiter(map(half.numbers.get, customer_ids, repeat(-1)), np.int64, len(customer_ids))
            for half in (self._young, self._old)
        )
        return Known(young, old)

    def values(self, known: Known, asked: Longs, fresh: Packed) -> Packed:
        """The values of k customers, customer by customer.

        Args:
            known: what `find` found of them.
            asked: int64[m], the numbers of customers whose values have just been loaded.
            fresh: the loaded values, customer by customer in this order.
        """
        count, views = len(known.young), self._views
        fresh_at, starts = np.empty(count, np.int64), np.zeros(count * views + 1, np.int64)
        young, old = self._young.values, self._old.values
        size = _measure(*known, asked, young.starts, old.starts, fresh.starts, views, fresh_at, starts)
        out = Packed(np.empty(size + 1, np.uint8), starts)
        _gather(*known, fresh_at, *young, *old, *fresh, views, *out)
        return out

    def put(self, customer_ids: Sequence[str], rows: Longs, loaded: Packed, new: Packed) -> None:
        """Remember rows that were written: the new values, and as loaded those without a new one.

        Args:
            customer_ids: all k of a chunk.
            rows: int64[m], the numbers of those written.
            loaded: values customer by customer.
            new: values view by view.
        """
        done = 0 if self._keeps_any else len(rows)
        while done < len(rows):
            half = self._young
            fitting = _append(*half.values, half.used, self._views, rows, done, *loaded, *new)
            ids = [customer_ids[row] for row in rows[done : done + fitting].tolist()]
            half.numbers.update(zip(ids, range(half.used, half.used + fitting), strict=True))
            half.used += fitting
            done += fitting
            if done < len(rows) and not self._turn():
                # Larger than a whole half.
                self.forget([customer_ids[rows[done]]])
                done += 1

    def forget(self, customer_ids: Iterable[str]) -> None:
        for customer_id in customer_ids:
            self._young.numbers.pop(customer_id, None)
            self._old.numbers.pop(customer_id, None)

    def _turn(self) -> bool:
        """Set the young half aside; False when it is empty."""
        if not self._young.used:
            return False
        self._young, self._old = self._old, self._young
        self._young.numbers.clear()
        self._young.used = 0
        return True


@jit
def _append(data, starts, used, views, rows, done, loaded, loaded_starts, new, new_starts):
    """Append the records of rows[done:] as far as there is room: how many."""
    count = (len(new_starts) - 1) // views
    fitting = 0
    while done + fitting < len(rows) and (used + fitting + 1) * views < len(starts):
        row, first = rows[done + fitting], (used + fitting) * views
        at = starts[first]
        for view in range(views):
            old, value = row * views + view, view * count + row
            is_new = new_starts[value] < new_starts[value + 1]
            start = new_starts[value] if is_new else loaded_starts[old]
            end = new_starts[value + 1] if is_new else loaded_starts[old + 1]
            if at + end - start > len(data):
                return fitting
            at = copy_bytes(new, start, end, data, at) if is_new else copy_bytes(loaded, start, end, data, at)
            starts[first + view + 1] = at
        fitting += 1
    return fitting


@jit
def _unknown(young, old, numbers):
    n_unknown = 0
    for row in range(len(young)):
        if young[row] < 0 and old[row] < 0:
            numbers[n_unknown] = row
            n_unknown += 1
    return n_unknown


@jit
def _measure(young, old, asked, young_starts, old_starts, fresh_starts, views, fresh_at, starts):
    """Where each customer's values will start, and which of the fresh ones are whose: the size of all."""
    for row in range(len(fresh_at)):
        fresh_at[row] = -1
    for i in range(len(asked)):
        fresh_at[asked[i]] = i
    at = np.int64(0)
    for row in range(len(young)):
        for view in range(views):
            if young[row] >= 0:
                at += young_starts[young[row] * views + view + 1] - young_starts[young[row] * views + view]
            elif old[row] >= 0:
                at += old_starts[old[row] * views + view + 1] - old_starts[old[row] * views + view]
            elif fresh_at[row] >= 0:
                at += fresh_starts[fresh_at[row] * views + view + 1] - fresh_starts[fresh_at[row] * views + view]
            starts[row * views + view + 1] = at
    return at


@jit
def _gather(
    young_at, old_at, fresh_at, young, young_starts, old, old_starts, fresh, fresh_starts, views, out, starts,
):  # fmt: skip
    """Copy each customer's values, which stand one behind the other wherever they are."""
    for row in range(len(young_at)):
        at = starts[row * views]
        if young_at[row] >= 0:
            first = young_at[row] * views
            copy_bytes(young, young_starts[first], young_starts[first + views], out, at)
        elif old_at[row] >= 0:
            first = old_at[row] * views
            copy_bytes(old, old_starts[first], old_starts[first + views], out, at)
        elif fresh_at[row] >= 0:
            first = fresh_at[row] * views
            copy_bytes(fresh, fresh_starts[first], fresh_starts[first + views], out, at)
