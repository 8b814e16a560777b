"""Many byte strings in one buffer: what compiled code reads and writes, with no Python object per string.

Compiled functions that Python calls take `data` and `starts` apart (`*packed`): to hand over a tuple with names takes
more than a microsecond.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rapport.windows.compiled import jit, move_bytes

__all__ = ["Bytes", "Longs", "Packed", "buffer_of", "copy_bytes", "pack"]

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
    starts = np.fromiter(accumulate(map(len, present), initial=0), np.int64, len(present) + 1)
    return Packed(buffer_of(bytearray().join(present)), starts)


def buffer_of(data: bytes | bytearray) -> Bytes:
    """The bytes as an array; those of a bytearray are not copied. Compiled code takes writable arrays only."""
    writable = data if isinstance(data, bytearray) else bytearray(data)
    return np.frombuffer(writable or bytearray(1), np.uint8)


@jit
def copy_bytes(src, start, end, out, at):
    """Copy src[start:end] to `out` at `at`: the place behind."""
    if end > start:
        move_bytes(src, start, out, at, end - start)
    return at + end - start
