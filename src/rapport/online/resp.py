"""Redis commands for many rows, written as RESP by compiled code straight from packed buffers.

redis-py's own packing costs 4 to 6 microseconds of Python per command, this less than one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rapport.online.marks import FENCE_BYTES
from rapport.online.packed import Longs, Packed, buffer_of, copy_bytes
from rapport.online.stored import NEWEST_AT
from rapport.windows.compiled import jit

__all__ = ["Calls", "Commands"]

_CR, _LF, _DOLLAR, _STAR, _MINUS, _ZERO = 13, 10, 36, 42, 45, 48
_FRAME_BYTES = 32
"""Room for the length and the line ends around a string."""
_STAMP_BYTES = 17
"""The longest protobuf Timestamp."""
_ENTRY_BYTES = 3 * 4 + FENCE_BYTES + _STAMP_BYTES
"""Room that an entry of one view needs beside its value."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls of the fence's script, in one buffer, with what it takes to make one of them again.

    Attributes:
        data: the commands.
        rows: int64[m], the numbers of the rows that they write, `per_call` to a call.
        blobs: int64[calls, 2], where the last argument of each call starts and ends in `data`.
    """

    data: memoryview
    rows: Longs
    per_call: int
    blobs: Longs

    def __len__(self) -> int:
        return len(self.blobs)

    def rows_of(self, call: int) -> Longs:
        return self.rows[call * self.per_call : (call + 1) * self.per_call]

    def blob_of(self, call: int) -> bytes:
        start, end = self.blobs[call]
        return bytes(self.data[start:end])


class Commands:
    """Writes the commands of one store: their parts that are always the same are made once.

    Args:
        fields: the hash fields of the values, view by view.
        digest: that of the fence's script.
        per_call: customers of one call of the script.
    """

    def __init__(self, fields: Sequence[bytes], digest: str, per_call: int) -> None:
        self._views = len(fields)
        self._per_call = per_call
        self._ask = buffer_of(b"*%d\r\n" % (2 + len(fields)) + _strings(b"HMGET"))
        self._fields = buffer_of(_strings(*fields))
        self._call = buffer_of(_strings(b"EVALSHA", digest.encode()))

    def hmgets(self, keys: Packed, rows: Longs) -> memoryview:
        """One HMGET for each of the keys whose number is in `rows`."""
        frame = len(self._ask) + len(self._fields) + _FRAME_BYTES
        out = np.empty(keys.nbytes + len(rows) * frame, np.uint8)
        return out.data[: _write_hmgets(*keys, rows, self._ask, self._fields, out)]

    def calls(self, keys: Packed, rows: Longs, old: Packed, new: Packed) -> Calls:
        """Calls of the fence's script (rapport.online.script has its argument) for some of k customers.

        Args:
            keys: the k customers' keys.
            rows: int64[m], numbers of the customers to write.
            old: the values that were loaded, customer by customer.
            new: those to write (empty: none), view by view.
        """
        blobs = np.empty((-(-len(rows) // self._per_call), 2), np.int64)
        room = len(rows) * (_FRAME_BYTES + self._views * _ENTRY_BYTES) + len(blobs) * (
            len(self._call) + 4 * _FRAME_BYTES
        )
        out = np.empty(keys.nbytes + room + new.nbytes, np.uint8)
        size = _write_calls(self._call, *keys, rows, *old, *new, self._views, self._per_call, out, blobs)
        return Calls(out.data[:size], rows, self._per_call, blobs)


def _strings(*parts: bytes) -> bytes:
    return b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


@jit
def _write_line(out, at, sign, number):
    """A sign, a number of 0 or more in decimal digits, and an end of line."""
    out[at] = sign
    at += 1
    digits, rest = 1, number // 10
    while rest > 0:
        digits += 1
        rest //= 10
    for place in range(digits - 1, -1, -1):
        out[at + place] = _ZERO + number % 10
        number //= 10
    out[at + digits], out[at + digits + 1] = _CR, _LF
    return at + digits + 2


@jit
def _write_string(src, start, end, out, at):
    at = _write_line(out, at, _DOLLAR, end - start)
    at = copy_bytes(src, start, end, out, at)
    out[at], out[at + 1] = _CR, _LF
    return at + 2


@jit
def _write_hmgets(keys, starts, rows, head, tail, out):
    at = np.int64(0)
    for i in range(len(rows)):
        at = copy_bytes(head, np.int64(0), np.int64(len(head)), out, at)
        at = _write_string(keys, starts[rows[i]], starts[rows[i] + 1], out, at)
        at = copy_bytes(tail, np.int64(0), np.int64(len(tail)), out, at)
    return at


@jit
def _write_length(out, at, length):
    """u32, little-endian."""
    for i in range(4):
        out[at + i] = (length >> (8 * i)) & 0xFF
    return at + 4


@jit
def _write_varint(out, at, value):
    """Protobuf's, of 64 bits; a negative number has ten bytes."""
    rest = np.uint64(value)
    while rest > np.uint64(0x7F):
        out[at] = np.uint8(rest & np.uint64(0x7F)) | np.uint8(0x80)
        rest >>= np.uint64(7)
        at += 1
    out[at] = np.uint8(rest)
    return at + 1


@jit
def write_stamp(out, at, time_us):
    """The protobuf Timestamp of microseconds since 1970, as Feast stores it: zero fields are left out."""
    seconds = time_us // 1_000_000
    nanos = (time_us - seconds * 1_000_000) * 1_000
    if seconds != 0:
        out[at] = 0x08
        at = _write_varint(out, at + 1, seconds)
    if nanos != 0:
        out[at] = 0x10
        at = _write_varint(out, at + 1, nanos)
    return at


@jit
def _read_time(data, at):
    time = np.uint64(0)
    for i in range(8):
        time |= np.uint64(data[at + i]) << np.uint64(8 * i)
    return np.int64(time)


@jit
def _write_entry(old, old_start, old_end, new, new_start, new_end, out, at):
    """One view of one row: the mark that it was loaded with, its new value, the time of its newest event."""
    size = min(old_end - old_start, FENCE_BYTES)
    at = _write_length(out, at, size)
    at = copy_bytes(old, old_start, old_start + size, out, at)
    at = _write_length(out, at, new_end - new_start)
    if new_start == new_end:
        return _write_length(out, at, 0)
    at = copy_bytes(new, new_start, new_end, out, at)
    behind = write_stamp(out, at + 4, _read_time(new, new_start + NEWEST_AT))
    _write_length(out, at, behind - at - 4)
    return behind


@jit
def _write_blob(rows, first, last, old, old_starts, new, new_starts, views, out, at):
    count = (len(new_starts) - 1) // views
    for i in range(first, last):
        for view in range(views):
            a, b = rows[i] * views + view, view * count + rows[i]
            at = _write_entry(old, old_starts[a], old_starts[a + 1], new, new_starts[b], new_starts[b + 1], out, at)
    return at


@jit
def _digits(number):
    count, rest = 1, number // 10
    while rest > 0:
        count += 1
        rest //= 10
    return count


@jit
def _write_calls(head, keys, starts, rows, old, old_starts, new, new_starts, views, per_call, out, blobs):
    at = np.int64(0)
    for call in range(len(blobs)):
        first, last = call * per_call, min((call + 1) * per_call, len(rows))
        at = _write_line(out, at, _STAR, 4 + last - first)
        at = copy_bytes(head, np.int64(0), np.int64(len(head)), out, at)
        at = _write_line(out, at, _DOLLAR, _digits(last - first))
        at = _write_line(out, at - 1, _LF, last - first)
        for i in range(first, last):
            at = _write_string(keys, starts[rows[i]], starts[rows[i] + 1], out, at)
        # The blob's length stands before it, and is known once it is written: it is moved up to its length.
        start = at + _FRAME_BYTES
        end = _write_blob(rows, first, last, old, old_starts, new, new_starts, views, out, start)
        at = _write_line(out, at, _DOLLAR, end - start)
        blobs[call, 0], blobs[call, 1] = at, at + end - start
        at = copy_bytes(out, start, end, out, at)
        out[at], out[at + 1] = _CR, _LF
        at += 2
    return at
