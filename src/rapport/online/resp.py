"""Redis commands for many rows, written as RESP by compiled code straight from packed buffers.

redis-py's own packing costs 4 to 6 microseconds of Python per command, this less than one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rapport.online.marks import FENCE_BYTES
from rapport.online.packed import Bytes, Longs, Packed, copy_bytes
from rapport.online.stored import NEWEST_AT
from rapport.windows.compiled import jit

__all__ = ["Calls", "encode_calls", "encode_hmgets"]

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


def encode_hmgets(keys: Packed, rows: Longs, fields: Sequence[bytes]) -> memoryview:
    """One HMGET of `fields` for each of the keys whose number is in `rows`."""
    head, tail = _buffer(b"*%d\r\n" % (2 + len(fields)) + _strings(b"HMGET")), _buffer(_strings(*fields))
    text = int((keys.starts[rows + 1] - keys.starts[rows]).sum())
    out = np.empty(text + len(rows) * (len(head) + len(tail) + _FRAME_BYTES), np.uint8)
    return out.data[: _write_hmgets(keys, rows, head, tail, out)]


def encode_calls(digest: str, keys: Packed, rows: Longs, old: Packed, new: Packed, per_call: int) -> Calls:
    """Calls of the fence's script (rapport.online.script has its argument) for some of k rows.

    Args:
        digest: the script's.
        keys: the k rows' keys.
        rows: int64[m], numbers of the rows to write.
        old, new: the values that were loaded, and those to write (empty: none), view by view, k to a view.
        per_call: rows of one call.
    """
    head = _buffer(_strings(b"EVALSHA", digest.encode()))
    blobs = np.zeros((-(-len(rows) // per_call), 2), np.int64)
    text = int((keys.starts[rows + 1] - keys.starts[rows]).sum())
    views = new.size // keys.size
    room = len(rows) * (_FRAME_BYTES + views * _ENTRY_BYTES) + len(blobs) * (len(head) + 4 * _FRAME_BYTES)
    out = np.empty(text + room + int(new.starts[-1]), np.uint8)
    size = _write_calls(head, keys, rows, old, new, views, per_call, out, blobs)
    return Calls(out.data[:size], rows, per_call, blobs)


def _strings(*parts: bytes) -> bytes:
    return b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


def _buffer(data: bytes) -> Bytes:
    return np.frombuffer(bytearray(data), np.uint8)


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
def _write_hmgets(keys, rows, head, tail, out):
    at = np.int64(0)
    for i in range(len(rows)):
        at = copy_bytes(head, np.int64(0), np.int64(len(head)), out, at)
        at = _write_string(keys.data, keys.starts[rows[i]], keys.starts[rows[i] + 1], out, at)
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
def _write_entry(old, new, value, out, at):
    """One view of one row: the mark that it was loaded with, its new value, the time of its newest event."""
    start, size = old.starts[value], min(old.starts[value + 1] - old.starts[value], FENCE_BYTES)
    at = _write_length(out, at, size)
    at = copy_bytes(old.data, start, start + size, out, at)
    start, end = new.starts[value], new.starts[value + 1]
    at = _write_length(out, at, end - start)
    if start == end:
        return _write_length(out, at, 0)
    at = copy_bytes(new.data, start, end, out, at)
    behind = write_stamp(out, at + 4, _read_time(new.data, start + NEWEST_AT))
    _write_length(out, at, behind - at - 4)
    return behind


@jit
def _write_blob(keys, rows, first, last, old, new, views, out, at):
    for i in range(first, last):
        for view in range(views):
            at = _write_entry(old, new, view * (len(keys.starts) - 1) + rows[i], out, at)
    return at


@jit
def _digits(number):
    count, rest = 1, number // 10
    while rest > 0:
        count += 1
        rest //= 10
    return count


@jit
def _write_calls(head, keys, rows, old, new, views, per_call, out, blobs):
    at = np.int64(0)
    for call in range(len(blobs)):
        first, last = call * per_call, min((call + 1) * per_call, len(rows))
        at = _write_line(out, at, _STAR, 4 + last - first)
        at = copy_bytes(head, np.int64(0), np.int64(len(head)), out, at)
        at = _write_line(out, at, _DOLLAR, _digits(last - first))
        at = _write_line(out, at - 1, _LF, last - first)
        for i in range(first, last):
            at = _write_string(keys.data, keys.starts[rows[i]], keys.starts[rows[i] + 1], out, at)
        # The blob's length stands before it, and is known once it is written: it is moved up to its length.
        start = at + _FRAME_BYTES
        end = _write_blob(keys, rows, first, last, old, new, views, out, start)
        at = _write_line(out, at, _DOLLAR, end - start)
        blobs[call, 0], blobs[call, 1] = at, at + end - start
        at = copy_bytes(out, start, end, out, at)
        out[at], out[at + 1] = _CR, _LF
        at += 2
    return at
