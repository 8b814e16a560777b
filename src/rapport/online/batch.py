"""A micro-batch on its way into the rows of its customers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from rapport.bus.protocol import Position
from rapport.online.packed import Longs
from rapport.windows import Events
from rapport.windows.packed import sort_by_row

__all__ = ["Batch", "Places", "batch_of"]

Places: TypeAlias = tuple[npt.NDArray[Any], npt.NDArray[Any]]
"""Positions of n events as columns: integers hi[n] and lo[n]."""


@dataclass(frozen=True, slots=True)
class Batch:
    """n events of k customers.

    Attributes:
        customer_ids: the k customers, by first appearance.
        partition: the events' partition.
        hi, lo: uint64[n], the events' positions; they ascend.
        events: the n events.
        order, groups: the events by customer, newest first: those of customer i are order[groups[i]:groups[i + 1]].
    """

    customer_ids: list[str]
    partition: int
    hi: npt.NDArray[np.uint64]
    lo: npt.NDArray[np.uint64]
    events: Events
    order: Longs
    groups: Longs

    def of_customers(self, numbers: Sequence[int]) -> Batch:
        """The same for some of the customers, who are numbered anew."""
        parts = [self.order[self.groups[number] : self.groups[number + 1]] for number in numbers]
        groups = np.zeros(len(parts) + 1, np.int64)
        np.cumsum([len(part) for part in parts], out=groups[1:])
        ids = [self.customer_ids[number] for number in numbers]
        return Batch(ids, self.partition, self.hi, self.lo, self.events, np.concatenate(parts), groups)


def batch_of(
    customer_ids: Sequence[str], positions: Sequence[Position] | Places, partition: int, events: Events
) -> Batch:
    """The batch.

    Raises:
        ValueError: lengths differ, positions do not ascend, or the partition is not 0 to 65535.
    """
    hi, lo = _columns(positions)
    if not len(customer_ids) == len(hi) == len(lo) == len(events):
        raise ValueError(f"{len(customer_ids)} customers, {len(hi)} positions, {len(events)} events: not equal")
    if not 0 <= partition <= 0xFFFF:
        raise ValueError(f"partition {partition}: 0 to 65535 is allowed")
    ascends = (hi[1:] > hi[:-1]) | ((hi[1:] == hi[:-1]) & (lo[1:] > lo[:-1]))
    if not ascends.all():
        at = int(np.flatnonzero(~ascends)[0])
        raise ValueError(f"positions must ascend: {(hi[at + 1], lo[at + 1])} comes after {(hi[at], lo[at])}")
    ids = list(dict.fromkeys(customer_ids))
    number = dict(zip(ids, range(len(ids)), strict=True))
    row_of_event = np.fromiter(map(number.__getitem__, customer_ids), np.int64, len(customer_ids))
    order, groups = sort_by_row(row_of_event, events.event_time_us, len(ids))
    return Batch(ids, partition, hi, lo, events, order, groups)


def _columns(positions: Sequence[Position] | Places) -> Places:
    if isinstance(positions, tuple):
        hi, lo = positions
    else:
        pairs = np.fromiter(chain.from_iterable(positions), np.uint64, 2 * len(positions)).reshape(-1, 2)
        hi, lo = pairs[:, 0], pairs[:, 1]
    return np.ascontiguousarray(hi, np.uint64), np.ascontiguousarray(lo, np.uint64)
