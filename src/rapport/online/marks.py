"""The mark in front of a stored row: the last source position that the row has seen.

    u16 partition | u64 hi | u64 lo     big-endian, 18 bytes, so that marks of one partition sort as bytes

A stored value is mark + row. An event at or before the mark of its own partition is in the row already.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["FENCE_BYTES", "MARK_BYTES", "Marks", "decode_marks", "encode_marks"]

_DTYPE = np.dtype([("partition", ">u2"), ("hi", ">u8"), ("lo", ">u8")])
MARK_BYTES = _DTYPE.itemsize
FENCE_BYTES = MARK_BYTES + 14
"""What a fenced write compares: the mark, and of the row its version, layout, newest time and number of gaps. A rebuild
leaves the mark as it is; whoever still holds the row that it has completed must not write it back."""
_NONE = bytes(MARK_BYTES)

Marks = npt.NDArray[Any]
"""Structured array with partition (u2), hi (u8) and lo (u8)."""


def decode_marks(values: Sequence[bytes | None]) -> Marks:
    """The marks of stored values; partition 0 at the start of time for None and for values too short to have one."""
    joined = b"".join(_NONE if value is None or len(value) < MARK_BYTES else value[:MARK_BYTES] for value in values)
    return np.frombuffer(joined, _DTYPE)


def encode_marks(partition: int, hi: npt.NDArray[np.uint64], lo: npt.NDArray[np.uint64]) -> list[bytes]:
    """The 18 bytes of each of n marks of one partition."""
    marks = np.empty(len(hi), _DTYPE)
    marks["partition"], marks["hi"], marks["lo"] = partition, hi, lo
    data = marks.tobytes()
    return [data[at : at + MARK_BYTES] for at in range(0, len(data), MARK_BYTES)]
