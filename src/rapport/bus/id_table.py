"""A set of 128-bit numbers in memory, each with a 64-bit value: 24 bytes a slot, no Python object per number."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from rapport.windows.compiled import jit

__all__ = ["IdTable", "Mask", "Words"]

Words: TypeAlias = npt.NDArray[np.uint64]
Mask: TypeAlias = npt.NDArray[np.bool_]
_LEAST = 1 << 10
_NOTHING: Words = np.zeros((1, 3), np.uint64)


class IdTable:
    """Open addressing over uint64 words: a slot is two words of the number, and its value; all zeros: empty."""

    def __init__(self) -> None:
        self._slots: Words = np.zeros((_LEAST, 3), np.uint64)
        self._used = 0

    def __len__(self) -> int:
        return self._used

    def add(self, entries: Words, before: IdTable | None = None) -> tuple[Words, Mask]:
        """Add those numbers that are neither in it nor in the table before.

        Args:
            entries: uint64[n, 3], two words of the number, of which the first is not 0, and its value, which is not 0.

        Returns:
            uint64[n], the values of all of them: of a new one its own; and bool[n], which ones are new.
        """
        # At most two slots of three are taken: probing stays short.
        while 3 * (self._used + len(entries)) > 2 * len(self._slots):
            larger = np.zeros((2 * len(self._slots), 3), np.uint64)
            _move(self._slots, larger)
            self._slots = larger
        found, new = np.empty(len(entries), np.uint64), np.zeros(len(entries), np.bool_)
        self._used += _add(_NOTHING if before is None else before._slots, self._slots, entries, found, new)
        return found, new


@jit
def _slot(slots, first, second):
    """Where the number is, or would be."""
    last = np.uint64(len(slots) - 1)
    at = second & last
    while slots[at, 0] != 0 and (slots[at, 0] != first or slots[at, 1] != second):
        at = (at + np.uint64(1)) & last
    return at


@jit
def _add(before, slots, entries, found, new):
    """How many are new."""
    added = 0
    for i in range(len(entries)):
        first, second = entries[i, 0], entries[i, 1]
        found[i] = before[_slot(before, first, second), 2]
        if found[i] != 0:
            continue
        at = _slot(slots, first, second)
        if slots[at, 0] == 0:
            slots[at, 0], slots[at, 1], slots[at, 2] = first, second, entries[i, 2]
            new[i] = True
            added += 1
        found[i] = slots[at, 2]
    return added


@jit
def _move(slots, larger):
    for i in range(len(slots)):
        if slots[i, 0] != 0:
            at = _slot(larger, slots[i, 0], slots[i, 1])
            larger[at, 0], larger[at, 1], larger[at, 2] = slots[i, 0], slots[i, 1], slots[i, 2]
