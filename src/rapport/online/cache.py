"""A bounded memory of rows just written, so that busy customers are not read back from Redis at every batch.

It may be stale: the fence finds that out at the write.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Generic, TypeVar

__all__ = ["RowCache"]

V = TypeVar("V")


class RowCache(Generic[V]):
    """The `size` most recently used values by customer id."""

    def __init__(self, size: int) -> None:
        if size < 0:
            raise ValueError(f"a cache of {size} rows; 0 (none) or more is allowed")
        self._size = size
        self._rows: OrderedDict[str, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, customer_id: str) -> V | None:
        value = self._rows.get(customer_id)
        if value is not None:
            self._rows.move_to_end(customer_id)
        return value

    def put(self, customer_id: str, value: V) -> None:
        self._rows[customer_id] = value
        self._rows.move_to_end(customer_id)
        if len(self._rows) > self._size:
            self._rows.popitem(last=False)

    def forget(self, customer_ids: Iterable[str]) -> None:
        for customer_id in customer_ids:
            self._rows.pop(customer_id, None)
