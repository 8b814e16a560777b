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
from rapport.windows.compiled import jit, writable
from rapport.windows.packed import sort_by_row

__all__ = ["Batch", "Places", "batch_of"]


Places: TypeAlias = tuple[npt.NDArray[Any], npt.NDArray[Any]]
"""Positions of n events as columns: integers hi[n] and lo[n]."""


@dataclass(frozen=True, slots=True)
class Batch:
    """n events of k customers.

    Attributes:
        customer_ids: the k customers.
        partition: the events' partition.
        places: uint64 hi[n] and lo[n], the events' positions; they ascend.
        events: the n events.
        order, groups: the events by customer, newest first: those of customer i are order[groups[i]:groups[i + 1]].
    """

    customer_ids: list[str]
    partition: int
    places: Places
    events: Events
    order: Longs
    groups: Longs

    def of_customers(self, numbers: Sequence[int]) -> Batch:
        """The same for some of the customers, who are numbered anew."""
        parts = [self.order[self.groups[number] : self.groups[number + 1]] for number in numbers]
        groups = np.zeros(len(parts) + 1, np.int64)
        np.cumsum([len(part) for part in parts], out=groups[1:])
        ids = [self.customer_ids[number] for number in numbers]
        return Batch(ids, self.partition, self.places, self.events, np.concatenate(parts), groups)


def batch_of(customers: Sequence[str], positions: Sequence[Position] | Places, partition: int, events: Events) -> Batch:
    """The batch.

    Raises:
        ValueError: lengths differ, positions do not ascend, or the partition is not 0 to 65535.
    """
    ids, numbers = _numbered(customers)
    hi, lo = _places(positions)
    if not len(numbers) == len(hi) == len(lo) == len(events):
        raise ValueError(f"{len(numbers)} customers, {len(hi)} positions, {len(events)} events: not equal")
    if not 0 <= partition <= 0xFFFF:
        raise ValueError(f"partition {partition}: 0 to 65535 is allowed")
    at = _behind(hi, lo)
    if at:
        earlier, later = (Position(int(hi[i]), int(lo[i])) for i in (at - 1, at))
        raise ValueError(f"positions must ascend: {later} comes after {earlier}")
    order, groups = sort_by_row(numbers, events.event_time_us, len(ids))
    return Batch(ids, partition, (hi, lo), events, order, groups)


def _numbered(customers: Sequence[str]) -> tuple[list[str], Longs]:
    """The customers, none twice, and int64[n]: the number of each event's."""
    known: dict[str, int] = {}
    number = known.setdefault
    # Whoever is new gets the next number.
    numbers = np.array([number(customer, len(known)) for customer in customers], np.int64)
    return list(known), numbers


def _places(positions: Sequence[Position] | Places) -> Places:
    if isinstance(positions, tuple) and positions and isinstance(positions[0], np.ndarray):
        hi, lo = positions
    else:
        flat = np.fromiter(chain.from_iterable(positions), np.uint64, 2 * len(positions))
        hi, lo = flat[::2], flat[1::2]
    return writable(np.ascontiguousarray(hi, np.uint64)), writable(np.ascontiguousarray(lo, np.uint64))


@jit
def _behind(hi, lo):
    """The first position that does not come after the one before it; 0: there is none."""
    for i in range(1, len(hi)):
        if hi[i] < hi[i - 1] or (hi[i] == hi[i - 1] and lo[i] <= lo[i - 1]):
            return i
    return 0
