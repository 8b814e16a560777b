"""A micro-batch on its way into the rows of its customers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rapport.bus.protocol import Position
from rapport.online.selection import take
from rapport.windows import Events

__all__ = ["Batch", "batch_of"]


@dataclass(frozen=True, slots=True)
class Batch:
    """n events of k customers, in position order.

    Attributes:
        rows: k.
        row_of_event: int64[n], 0 to k - 1.
        partition: the events' partition.
        hi, lo: uint64[n], the events' positions.
        events: the n events.
    """

    rows: int
    row_of_event: npt.NDArray[np.int64]
    partition: int
    hi: npt.NDArray[np.uint64]
    lo: npt.NDArray[np.uint64]
    events: Events

    def of_rows(self, rows: Sequence[int]) -> Batch:
        """All events of some of the customers, who are numbered anew in their order (`rows` ascends)."""
        return self.part(np.isin(self.row_of_event, rows))[0]

    def part(self, wanted: npt.NDArray[np.bool_]) -> tuple[Batch, list[int]]:
        """The events where `wanted` (bool[n]) holds, and the numbers of their customers, who are numbered anew."""
        places = np.flatnonzero(wanted)
        numbers, row_of_event = np.unique(self.row_of_event[places], return_inverse=True)
        events = take(self.events, places)
        part = Batch(len(numbers), row_of_event, self.partition, self.hi[places], self.lo[places], events)
        return part, numbers.tolist()


def batch_of(
    customer_ids: Sequence[str], positions: Sequence[Position], partition: int, events: Events
) -> tuple[list[str], Batch]:
    """The distinct customers, by first appearance, and the batch.

    Raises:
        ValueError: lengths differ, positions do not ascend, or the partition is not 0 to 65535.
    """
    if not len(customer_ids) == len(positions) == len(events):
        raise ValueError(f"{len(customer_ids)} customers, {len(positions)} positions, {len(events)} events: not equal")
    if not 0 <= partition <= 0xFFFF:
        raise ValueError(f"partition {partition}: 0 to 65535 is allowed")
    hi, lo = np.array(positions, np.uint64).reshape(-1, 2).T
    ascends = (hi[1:] > hi[:-1]) | ((hi[1:] == hi[:-1]) & (lo[1:] > lo[:-1]))
    if not ascends.all():
        at = int(np.flatnonzero(~ascends)[0])
        raise ValueError(f"positions must ascend: {positions[at + 1]} comes after {positions[at]}")
    numbers: dict[str, int] = {}
    rows = [numbers.setdefault(customer_id, len(numbers)) for customer_id in customer_ids]
    return list(numbers), Batch(len(numbers), np.array(rows, np.int64), partition, hi, lo, events)
