"""The Redis keys of many customers in one buffer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rapport.online.keys import KeyMaker
from rapport.online.packed import Packed, copy_bytes, pack
from rapport.windows.compiled import jit

__all__ = ["pack_keys"]

_LENGTH_BYTES = 4


def pack_keys(maker: KeyMaker, customer_ids: Sequence[str]) -> Packed:
    """The keys that `maker` makes of the customers."""
    texts = pack([one.encode() for one in customer_ids])
    head, tail = (np.frombuffer(bytearray(part or b"\0"), np.uint8) for part in (maker.head, maker.tail))
    size = texts.nbytes + texts.size * (len(head) + _LENGTH_BYTES + len(tail))
    keys = Packed(np.empty(size + 1, np.uint8), np.zeros(texts.size + 1, np.int64))
    _write_keys(texts, head, tail, len(maker.tail), keys)
    return keys


@jit
def _write_keys(texts, head, tail, tail_size, keys):
    at = np.int64(0)
    for i in range(len(keys.starts) - 1):
        start, end = texts.starts[i], texts.starts[i + 1]
        at = copy_bytes(head, np.int64(0), np.int64(len(head)), keys.data, at)
        for k in range(_LENGTH_BYTES):
            keys.data[at + k] = ((end - start) >> (8 * k)) & 0xFF
        at = copy_bytes(texts.data, start, end, keys.data, at + _LENGTH_BYTES)
        at = copy_bytes(tail, np.int64(0), tail_size, keys.data, at)
        keys.starts[i + 1] = at
