"""The Redis keys of many customers in one buffer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rapport.online.keys import KeyMaker
from rapport.online.packed import Packed, buffer_of, copy_bytes, pack
from rapport.windows.compiled import jit

__all__ = ["KeyPacker"]

_LENGTH_BYTES = 4


class KeyPacker:
    """Packs the keys that `maker` makes."""

    def __init__(self, maker: KeyMaker) -> None:
        self._head, self._tail, self._tail_bytes = buffer_of(maker.head), buffer_of(maker.tail), len(maker.tail)

    def keys(self, customer_ids: Sequence[str]) -> Packed:
        """The keys of some customers."""
        texts = pack([one.encode() for one in customer_ids])
        size = texts.nbytes + texts.size * (len(self._head) + _LENGTH_BYTES + self._tail_bytes)
        keys = Packed(np.empty(size + 1, np.uint8), np.zeros(texts.size + 1, np.int64))
        _write_keys(*texts, self._head, self._tail, self._tail_bytes, *keys)
        return keys


@jit
def _write_keys(texts, starts, head, tail, tail_bytes, out, ends):
    at = np.int64(0)
    for i in range(len(ends) - 1):
        start, end = starts[i], starts[i + 1]
        at = copy_bytes(head, np.int64(0), np.int64(len(head)), out, at)
        for k in range(_LENGTH_BYTES):
            out[at + k] = ((end - start) >> (8 * k)) & 0xFF
        at = copy_bytes(texts, start, end, out, at + _LENGTH_BYTES)
        at = copy_bytes(tail, np.int64(0), tail_bytes, out, at)
        ends[i + 1] = at
