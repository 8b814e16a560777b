"""Event ids and their places as numbers: an id is its 128-bit Murmur3 hash, a place 64 bits of its mixed numbers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import mmh3
import numpy as np

from rapport.bus.id_table import Words
from rapport.bus.protocol import Position
from rapport.windows.compiled import jit

__all__ = ["entries_of"]

_WORD = 2**64 - 1


def entries_of(event_ids: Sequence[str], partition: int, positions: Sequence[Position]) -> Words:
    """uint64[n, 3]: two words of an id's hash, of which the first is odd, and the hash of its place, odd as well."""
    n = len(event_ids)
    entries = np.empty((n, 3), np.uint64)
    entries[:, :2] = np.frombuffer(b"".join(map(mmh3.hash_bytes, event_ids)), np.uint64).reshape(-1, 2)
    places = np.fromiter(chain.from_iterable(positions), np.uint64, 2 * n).reshape(-1, 2)
    _finish(entries, places, np.uint64(partition << 48 & _WORD))
    return entries


@jit
def _finish(entries, places, of_partition):
    for i in range(len(entries)):
        entries[i, 0] |= np.uint64(1)
        entries[i, 2] = _mixed(_mixed(places[i, 0] + of_partition) + places[i, 1]) | np.uint64(1)


@jit
def _mixed(number):
    """SplitMix64's finalizer: every bit of a number changes about half of the result's."""
    mixed = number + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
