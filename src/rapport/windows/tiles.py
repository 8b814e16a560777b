"""One tile's partial aggregates, compiled: add values, load from bytes, write to bytes (docs/row-format.md).

Values travel as int64 keys whose order is the values' order: integers as they are, floats by `float_keys`, booleans as
0 and 1, strings as their start in the byte buffer `src`, with a length beside.
"""

from __future__ import annotations

import threading
from collections import namedtuple

import numpy as np

from rapport.windows import exact
from rapport.windows.compiled import jit, move_bytes
from rapport.windows.exact import FLOAT, SQUARE_LIMBS, STRING, SUM_LIMBS, UNIT_LIMB
from rapport.windows.plan import DISTINCT, FIRST, LAST, LAST_TIME, MAX, MIN, SQUARE, SUM

__all__: list[str] = []

DISTINCT_LIMIT = 1024
"""Distinct values of one tile that are kept exactly; beyond, its smallest hashes estimate (error 1/sqrt(1022))."""

COUNT, LEAST, GREATEST, FIRST_T, FIRST_V, FIRST_N, LAST_T, LAST_V, LAST_N, HASHES, CUT = range(11)
"""Places in `state`. HASHES counts the hashes held; CUT says that more distinct values than the limit were seen."""

NO_THETA = np.uint64(0xFFFF_FFFF_FFFF_FFFF)

Tile = namedtuple("Tile", ["state", "sums", "sum_range", "squares", "square_range", "hashes", "theta", "temp", "other"])
"""Scratch for one tile, or for the merge of several: see `scratch_tile`."""


_kept = threading.local()


def scratch_tile(hash_capacity: int) -> Tile:
    """This thread's scratch, with room for the hashes of so many distinct values; `clear` it before use."""
    tile: Tile | None = getattr(_kept, "tile", None)
    if tile is None or len(tile.hashes) < hash_capacity:
        tile = _kept.tile = _new_tile(hash_capacity + 1024)
    return tile


def _new_tile(hash_capacity: int) -> Tile:
    return Tile(
        np.zeros(11, np.int64),
        np.zeros(SUM_LIMBS, np.int64),
        np.array([SUM_LIMBS, 0], np.int64),
        np.zeros(SQUARE_LIMBS, np.int64),
        np.array([SQUARE_LIMBS, 0], np.int64),
        np.zeros(hash_capacity, np.uint64),
        np.full(1, NO_THETA, np.uint64),
        np.zeros(exact.TEMP_LIMBS, np.int64),
        np.zeros(exact.TEMP_LIMBS, np.int64),
    )


@jit
def clear(tile):
    for k in range(len(tile.state)):
        tile.state[k] = 0
    for k in range(tile.sum_range[0], tile.sum_range[1]):
        tile.sums[k] = 0
    for k in range(tile.square_range[0], tile.square_range[1]):
        tile.squares[k] = 0
    tile.sum_range[0], tile.sum_range[1] = SUM_LIMBS, 0
    tile.square_range[0], tile.square_range[1] = SQUARE_LIMBS, 0
    tile.theta[0] = NO_THETA


@jit
def _compare(src, kind, a, a_length, b, b_length):
    """Negative, zero or positive as value a is less than, equal to or greater than b; strings by their bytes."""
    if kind != STRING:
        return -1 if a < b else (1 if a > b else 0)
    for i in range(min(a_length, b_length)):
        if src[a + i] != src[b + i]:
            return np.int64(src[a + i]) - np.int64(src[b + i])
    return a_length - b_length


@jit
def _take_first(tile, src, kind, time, value, length):
    state = tile.state
    if time < state[FIRST_T] or (
        time == state[FIRST_T] and _compare(src, kind, value, length, state[FIRST_V], state[FIRST_N]) < 0
    ):
        state[FIRST_T], state[FIRST_V], state[FIRST_N] = time, value, length


@jit
def _take_last(tile, src, kind, time, value, length):
    state = tile.state
    if time > state[LAST_T] or (
        time == state[LAST_T] and _compare(src, kind, value, length, state[LAST_V], state[LAST_N]) > 0
    ):
        state[LAST_T], state[LAST_V], state[LAST_N] = time, value, length


@jit
def _mix(x):
    """The finalizer of splitmix64 (Steele, Lea, Flood 2014): a bijection, so that numbers never collide."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@jit
def _hash(src, kind, value, length):
    """64-bit hash of a value: strings by MurmurHash64A (Appleby), eight bytes at a time, mixed once more."""
    if kind != STRING:
        return _mix(np.uint64(value))
    factor = np.uint64(0xC6A4A7935BD1E995)
    shift = np.uint64(47)
    h = np.uint64(length) * factor
    at = value
    for _ in range(length // 8):
        word = np.uint64(0)
        for i in range(8):
            word |= np.uint64(src[at + i]) << np.uint64(8 * i)
        word *= factor
        word = (word ^ (word >> shift)) * factor
        h = (h ^ word) * factor
        at += 8
    tail = np.uint64(0)
    for i in range(length & 7):
        tail |= np.uint64(src[at + i]) << np.uint64(8 * i)
    h = (h ^ tail) * factor
    return _mix(h ^ (h >> shift))


@jit
def add(tile, src, parts, kind, time, value, length):
    """Add one event's value (for the event itself: value 0)."""
    state = tile.state
    empty = state[COUNT] == 0
    state[COUNT] += 1
    if parts & SUM:
        exact.add_number(tile.sums, tile.sum_range, kind, value)
    if parts & SQUARE:
        exact.add_square(tile.squares, tile.square_range, kind, value)
    if parts & (MIN | MAX):
        state[LEAST] = value if empty else min(state[LEAST], value)
        state[GREATEST] = value if empty else max(state[GREATEST], value)
    if parts & FIRST:
        if empty:
            state[FIRST_T], state[FIRST_V], state[FIRST_N] = time, value, length
        else:
            _take_first(tile, src, kind, time, value, length)
    if parts & (LAST | LAST_TIME):
        if empty:
            state[LAST_T], state[LAST_V], state[LAST_N] = time, value, length
        else:
            _take_last(tile, src, kind, time, value, length)
    if parts & DISTINCT:
        tile.hashes[state[HASHES]] = _hash(src, kind, value, length)
        state[HASHES] += 1


@jit
def copy(src, start, end, out, at):
    """Copy bytes src[start:end] to out[at:]; returns the place behind them."""
    if end > start:
        move_bytes(src, start, out, at, end - start)
    return at + end - start


@jit
def read_varint(src, at):
    """An unsigned LEB128 integer: (uint64, place behind it). Reads at most 10 bytes."""
    value = np.uint64(0)
    for i in range(10):
        byte = src[at + i]
        value |= np.uint64(byte & 0x7F) << np.uint64(7 * i)
        if byte < 0x80:
            return value, at + i + 1
    return value, at + 10


@jit
def write_varint(out, at, value):
    value = np.uint64(value)
    while value >= np.uint64(0x80):
        out[at] = np.uint8(value & np.uint64(0x7F)) | np.uint8(0x80)
        value >>= np.uint64(7)
        at += 1
    out[at] = np.uint8(value)
    return at + 1


@jit
def read_signed(src, at):
    """A zigzag integer: (int64, place behind it)."""
    value, at = read_varint(src, at)
    return np.int64(value >> np.uint64(1)) ^ -np.int64(value & np.uint64(1)), at


@jit
def write_signed(out, at, value):
    return write_varint(out, at, np.uint64((value << 1) ^ (value >> 63)))


@jit
def _read_time(src, at, slide, base):
    if slide == 0:
        return read_signed(src, at)
    ahead, at = read_varint(src, at)
    return base + np.int64(ahead), at


@jit
def _write_time(out, at, slide, base, time):
    return write_signed(out, at, time) if slide == 0 else write_varint(out, at, time - base)


@jit
def _read_value(src, at, kind):
    """A value: (key or start, length, place behind it)."""
    if kind == STRING:
        length, at = read_varint(src, at)
        # A length beyond the row is caught by the caller, who compares the place behind with the row's end.
        length = min(length, np.uint64(len(src)))
        return at, np.int64(length), at + np.int64(length)
    if kind == FLOAT:
        return _read_float(src, at)
    key, at = read_signed(src, at)
    return key, np.int64(0), at


@jit
def _read_float(src, at):
    head, at = read_varint(src, at)
    if not head & np.uint64(1):
        zigzag = head >> np.uint64(1)
        units = np.int64(zigzag >> np.uint64(1)) ^ -np.int64(zigzag & np.uint64(1))
        return exact.key_of_millionths(units), np.int64(0), at
    bits = np.uint64(0)
    for i in range(8):
        bits |= np.uint64(src[at + i]) << np.uint64(8 * i)
    return exact.float_bits(np.int64(bits)), np.int64(0), at + 8


@jit
def _write_value(src, out, at, kind, value, length):
    if kind == STRING:
        at = write_varint(out, at, length)
        return copy(src, value, value + length, out, at)
    if kind == FLOAT:
        return _write_float(out, at, value)
    return write_signed(out, at, value)


@jit
def _write_float(out, at, key):
    is_decimal, units = exact.millionths(key)
    if is_decimal:
        return write_varint(out, at, np.uint64((units << 1) ^ (units >> 63)) << np.uint64(1))
    out[at] = 1
    bits = np.uint64(exact.float_bits(key))
    for i in range(8):
        out[at + 1 + i] = np.uint8((bits >> np.uint64(8 * i)) & np.uint64(0xFF))
    return at + 9


@jit
def _skip_value(src, at, kind):
    head, at = read_varint(src, at)
    if kind == STRING:
        return at + np.int64(min(head, np.uint64(len(src))))
    return at + 8 if kind == FLOAT and head & np.uint64(1) else at


@jit
def _read_sum(src, at, end, kind, limbs, range_, unit_limb):
    """Add a stored sum to the limbs; -1 when it does not fit the row or the limbs."""
    head, at = read_varint(src, at)
    n_bytes = np.int64(min(head >> np.uint64(1), np.uint64(4 * len(limbs))))
    if n_bytes == 0:
        return at
    first = np.int64(0)
    if kind == FLOAT:
        first, at = read_signed(src, at)
        first += 4 * unit_limb
    if at + n_bytes > end or first < 0 or first + n_bytes > 4 * (len(limbs) - 2):
        return -1
    sign = -1 if head & np.uint64(1) else 1
    for i in range(n_bytes):
        place = first + i
        limbs[place >> 2] += sign * (np.int64(src[at + i]) << (8 * (place & 3)))
    range_[0] = min(range_[0], first >> 2)
    range_[1] = max(range_[1], ((first + n_bytes - 1) >> 2) + 1)
    return at + n_bytes


@jit
def _write_sum(out, at, kind, limbs, range_, unit_limb):
    low, high = range_[0], range_[1]
    if low >= high:
        return write_varint(out, at, 0)
    high, sign = exact.normalize(limbs, low, high)
    range_[1] = high
    first, last = (4 * low if kind == FLOAT else 0), 4 * high
    while last > first and (limbs[(last - 1) >> 2] >> (8 * ((last - 1) & 3))) & 0xFF == 0:
        last -= 1
    if kind == FLOAT:
        while first < last and (limbs[first >> 2] >> (8 * (first & 3))) & 0xFF == 0:
            first += 1
    n_bytes = last - first
    at = write_varint(out, at, (n_bytes << 1) | (1 if sign < 0 and n_bytes > 0 else 0))
    if n_bytes == 0:
        return at
    if kind == FLOAT:
        at = write_signed(out, at, first - 4 * unit_limb)
    for place in range(first, last):
        out[at] = np.uint8((limbs[place >> 2] >> (8 * (place & 3))) & 0xFF)
        at += 1
    return at


@jit
def _read_hashes(tile, src, at, end):
    """Append a tile's hashes; -1 when they do not fit. A count of limit + 1 stands for a set that was cut."""
    marker, at = read_varint(src, at)
    if marker > np.uint64(DISTINCT_LIMIT + 1):
        return -1
    n = min(np.int64(marker), DISTINCT_LIMIT)
    held = tile.state[HASHES]
    if at + 8 * n > end or held + n > len(tile.hashes):
        return -1
    for i in range(n):
        word = np.uint64(0)
        for j in range(8):
            word |= np.uint64(src[at + 8 * i + j]) << np.uint64(8 * j)
        tile.hashes[held + i] = word
    tile.state[HASHES] = held + n
    if np.int64(marker) > DISTINCT_LIMIT:
        tile.state[CUT] = 1
        tile.theta[0] = min(tile.theta[0], tile.hashes[held + n - 1])
    return at + 8 * n


@jit
def sort_unique(hashes, start, end):
    """Sort hashes[start:end] in place, repeats dropped; returns the new end."""
    if end - start < 2:
        return end
    gap = (end - start) // 2
    while gap > 0:
        for i in range(start + gap, end):
            value, j = hashes[i], i
            while j >= start + gap and hashes[j - gap] > value:
                hashes[j] = hashes[j - gap]
                j -= gap
            hashes[j] = value
        gap = 1 if gap == 2 else gap * 5 // 11
    kept = start + 1
    for i in range(start + 1, end):
        if hashes[i] != hashes[kept - 1]:
            hashes[kept] = hashes[i]
            kept += 1
    return kept


@jit
def _write_hashes(tile, out, at):
    n = sort_unique(tile.hashes, 0, tile.state[HASHES])
    cut = tile.state[CUT] or n > DISTINCT_LIMIT
    n = min(n, DISTINCT_LIMIT)
    at = write_varint(out, at, DISTINCT_LIMIT + 1 if cut else n)
    for i in range(n):
        for j in range(8):
            out[at] = np.uint8((tile.hashes[i] >> np.uint64(8 * j)) & np.uint64(0xFF))
            at += 1
    return at


@jit
def load(tile, src, at, end, parts, kind, slide, base):
    """Merge a stored tile into `tile`; returns the place behind it, or -1 when the bytes are not a tile."""
    state = tile.state
    count, at = read_varint(src, at)
    empty = state[COUNT] == 0
    state[COUNT] += np.int64(count)
    if parts & SUM:
        at = _read_sum(src, at, end, kind, tile.sums, tile.sum_range, UNIT_LIMB)
    if parts & SQUARE and at >= 0:
        at = _read_sum(src, at, end, kind, tile.squares, tile.square_range, 2 * UNIT_LIMB)
    if at < 0 or at > end:
        return -1
    if parts & MIN:
        key, _, at = _read_value(src, at, kind)
        state[LEAST] = key if empty else min(state[LEAST], key)
    if parts & MAX:
        key, _, at = _read_value(src, at, kind)
        state[GREATEST] = key if empty else max(state[GREATEST], key)
    if parts & FIRST:
        time, at = _read_time(src, at, slide, base)
        value, length, at = _read_value(src, at, kind)
        if at > end:
            return -1
        if empty:
            state[FIRST_T], state[FIRST_V], state[FIRST_N] = time, value, length
        else:
            _take_first(tile, src, kind, time, value, length)
    if parts & (LAST | LAST_TIME):
        time, at = _read_time(src, at, slide, base)
        value, length = np.int64(0), np.int64(0)
        if parts & LAST:
            value, length, at = _read_value(src, at, kind)
        if at > end:
            return -1
        if empty:
            state[LAST_T], state[LAST_V], state[LAST_N] = time, value, length
        else:
            _take_last(tile, src, kind if parts & LAST else FLOAT, time, value, length)
    if parts & DISTINCT:
        at = _read_hashes(tile, src, at, end)
    return at if at <= end else -1


@jit
def skip(src, at, end, parts, kind, slide):
    """The place behind a stored tile, or -1 when the bytes are not a tile."""
    _, at = read_varint(src, at)
    for part in (SUM, SQUARE):
        if parts & part:
            head, at = read_varint(src, at)
            n_bytes = np.int64(min(head >> np.uint64(1), np.uint64(len(src))))
            if n_bytes and kind == FLOAT:
                _, at = read_varint(src, at)
            at += n_bytes
            if at > end:
                return -1
    for part in (MIN, MAX, FIRST, LAST, LAST_TIME):
        if parts & part:
            if part & (FIRST | LAST | LAST_TIME):
                _, at = read_varint(src, at)
            if part != LAST_TIME:
                at = _skip_value(src, at, kind)
            if at > end:
                return -1
    if parts & DISTINCT:
        marker, at = read_varint(src, at)
        at += 8 * min(np.int64(min(marker, np.uint64(len(src)))), DISTINCT_LIMIT)
    return at if at <= end else -1


@jit
def write(tile, src, out, at, parts, kind, slide, base):
    """Write the tile; the caller has made sure of `room` bytes. Sums are normalized in place."""
    state = tile.state
    at = write_varint(out, at, state[COUNT])
    if parts & SUM:
        at = _write_sum(out, at, kind, tile.sums, tile.sum_range, UNIT_LIMB)
    if parts & SQUARE:
        at = _write_sum(out, at, kind, tile.squares, tile.square_range, 2 * UNIT_LIMB)
    if parts & MIN:
        at = _write_value(src, out, at, kind, state[LEAST], np.int64(0))
    if parts & MAX:
        at = _write_value(src, out, at, kind, state[GREATEST], np.int64(0))
    if parts & FIRST:
        at = _write_time(out, at, slide, base, state[FIRST_T])
        at = _write_value(src, out, at, kind, state[FIRST_V], state[FIRST_N])
    if parts & (LAST | LAST_TIME):
        at = _write_time(out, at, slide, base, state[LAST_T])
        if parts & LAST:
            at = _write_value(src, out, at, kind, state[LAST_V], state[LAST_N])
    if parts & DISTINCT:
        at = _write_hashes(tile, out, at)
    return at


@jit
def room(tile, kind):
    """An upper bound of the bytes that `write` needs."""
    sums = 4 * max(tile.sum_range[1] - tile.sum_range[0] + 2, 0)
    squares = 4 * max(tile.square_range[1] - tile.square_range[0] + 2, 0)
    strings = tile.state[FIRST_N] + tile.state[LAST_N] if kind == STRING else 0
    return 160 + sums + squares + strings + 8 * tile.state[HASHES]
