"""Many byte strings in one buffer: what compiled code reads and writes, with no Python object per string."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rapport.windows.compiled import jit, move_bytes

__all__ = ["Bytes", "Longs", "Packed", "by_view", "joined", "pack"]

Bytes = npt.NDArray[np.uint8]
Longs = npt.NDArray[np.int64]


class Packed(NamedTuple):
    """n strings: string i is data[starts[i]:starts[i + 1]]; an empty one is one that is absent.

    Attributes:
        data: uint8, at least starts[n] long.
        starts: int64[n + 1].
    """

    data: Bytes
    starts: Longs

    @property
    def size(self) -> int:
        return len(self.starts) - 1

    @property
    def nbytes(self) -> int:
        return int(self.starts[-1] - self.starts[0])

    def get(self, i: int) -> bytes:
        return self.data[self.starts[i] : self.starts[i + 1]].tobytes()


def pack(strings: Sequence[bytes | None]) -> Packed:
    """Strings in one buffer, in their order; None is an empty one."""
    present = [b"" if string is None else string for string in strings]
    starts = np.zeros(len(present) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, present), np.int64, len(present)), out=starts[1:])
    # A copy, as compiled code takes writable buffers only.
    return Packed(np.frombuffer(bytearray(b"".join(present)) or bytearray(1), np.uint8), starts)


@jit
def copy_bytes(src, start, end, out, at):
    """Copy src[start:end] to `out` at `at`: the place behind."""
    if end > start:
        move_bytes(src, start, out, at, end - start)
    return at + end - start


@jit
def _sizes(numbers, source, records, views, count, sizes):
    for i in range(len(numbers)):
        for view in range(views):
            value = records[i] * views + view
            sizes[view * count + numbers[i]] = source.starts[value + 1] - source.starts[value]


@jit
def _fill(numbers, source, records, views, count, out):
    for i in range(len(numbers)):
        for view in range(views):
            value = records[i] * views + view
            at = out.starts[view * count + numbers[i]]
            copy_bytes(source.data, source.starts[value], source.starts[value + 1], out.data, at)


def by_view(parts: Sequence[tuple[Longs, Packed, Longs]], count: int, views: int) -> Packed:
    """The values of `count` rows view by view, from records of all views of some of them.

    Args:
        parts: (int64[m] numbers of rows, records, int64[m] which record each row has); rows in no part have no values.
    """
    sizes = np.zeros(views * count, np.int64)
    for numbers, source, records in parts:
        _sizes(numbers, source, records, views, count, sizes)
    starts = np.zeros(views * count + 1, np.int64)
    np.cumsum(sizes, out=starts[1:])
    out = Packed(np.empty(int(starts[-1]) + 1, np.uint8), starts)
    for numbers, source, records in parts:
        _fill(numbers, source, records, views, count, out)
    return out


def joined(parts: Sequence[Packed]) -> Packed:
    """The strings of all parts, one behind the other."""
    if len(parts) == 1:
        return parts[0]
    ends = np.cumsum([0, *(part.starts[-1] for part in parts)])
    starts = [part.starts[:-1] + end for part, end in zip(parts, ends, strict=False)]
    data = np.concatenate([part.data[: part.starts[-1]] for part in parts] + [np.zeros(1, np.uint8)])
    return Packed(data, np.concatenate([*starts, ends[-1:]]))
