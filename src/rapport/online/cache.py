"""A bounded memory of rows just written, so that busy customers are not read back from Redis at every batch.

It may be stale: the fence finds that out at the write.

Values stand one behind the other in a buffer of fixed size, a record per write. When the buffer is full it is set
aside, and the one that was aside before is forgotten whole: what is remembered is always the last half of it at least,
however many customers there are, and forgetting costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat

import numpy as np

from rapport.online.packed import Longs, Packed, copy_bytes
from rapport.windows.compiled import jit

__all__ = ["RowCache"]


class _Half:
    """Up to `rows` records of `views` values each, in a buffer of `size` bytes."""

    def __init__(self, rows: int, size: int, views: int) -> None:
        self.numbers: dict[str, int] = {}
        self.used = 0
        # Memory is taken from the system as it is written to.
        self.values = Packed(np.empty(size, np.uint8), np.zeros(rows * views + 1, np.int64))


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
        self._young, self._old = (_Half(rows // 2, size // 2, views) for _ in range(2))

    def __len__(self) -> int:
        return len(self._young.numbers.keys() | self._old.numbers.keys())

    def find(self, customer_ids: Sequence[str]) -> list[tuple[Longs, Packed, Longs]]:
        """What is known of k customers: (int64[m] the numbers of some, records, int64[m] the record of each).

        Record i has the values i * views to (i + 1) * views - 1. They hold until the next `put`.
        """
        young, old = (
            np.fromiter(map(half.numbers.get, customer_ids, repeat(-1)), np.int64, len(customer_ids))
            for half in (self._young, self._old)
        )
        old[young >= 0] = -1
        return [
            (places, half.values, records[places])
            for half, records in ((self._young, young), (self._old, old))
            if len(places := np.flatnonzero(records >= 0))
        ]

    def put(self, customer_ids: Sequence[str], rows: Longs, loaded: Packed, new: Packed) -> None:
        """Remember rows that were written: the new values, and as loaded those without a new one.

        Args:
            customer_ids: all k of a chunk.
            rows: int64[m], the numbers of those written.
            loaded, new: values view by view, k to a view.
        """
        done = 0
        while done < len(rows):
            half = self._young
            fitting = int(_append(half.values, half.used, self._views, rows, done, loaded, new))
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
def _append(half, used, views, rows, done, loaded, new):
    """Append the records of rows[done:] as far as there is room: how many."""
    count = (len(loaded.starts) - 1) // views
    fitting = 0
    while done + fitting < len(rows) and (used + fitting + 1) * views < len(half.starts):
        first = (used + fitting) * views
        at = half.starts[first]
        for view in range(views):
            value = view * count + rows[done + fitting]
            source = new if new.starts[value] < new.starts[value + 1] else loaded
            start, end = source.starts[value], source.starts[value + 1]
            if at + end - start > len(half.data):
                return fitting
            at = copy_bytes(source.data, start, end, half.data, at)
            half.starts[first + view + 1] = at
        fitting += 1
    return fitting
