"""Sums in machine words, compiled: the short way to exactly the doubles of rapport.windows.exact.

A number here is an integer, or a float's millionths. An entity whose numbers are all such, and add up to at most 2^53
without their signs, has no window whose sum, or count times sum of squares, could leave a word or two; so each division
below rounds once, from exact operands, as the long way does.
"""

from __future__ import annotations

import math

import numpy as np

from rapport.windows.compiled import jit
from rapport.windows.exact import DECIMAL, FLOAT, STRING, millionths

__all__: list[str] = []

_SUM_LIMIT = np.int64(1) << 53
_COUNT_LIMIT = np.int64(1) << 20
_NONE = np.int64(-0x8000_0000_0000_0000)
_U32 = np.uint64(32)
_UMASK = np.uint64(0xFFFF_FFFF)


@jit
def fill_units(keys, units):
    """The millionths of float keys; _NONE for a float that has none."""
    for i in range(len(keys)):
        is_decimal, value = millionths(keys[i])
        units[i] = value if is_decimal else _NONE


@jit
def is_narrow(units, valid, kind, first, last):
    """Whether the numbers [first, last) can be summed here."""
    if kind in (STRING, DECIMAL) or last - first > _COUNT_LIMIT:
        return False
    total = np.int64(0)
    for i in range(first, last):
        if valid[i]:
            value = units[i]
            if not -_SUM_LIMIT <= value <= _SUM_LIMIT:
                return False
            total += abs(value)
            if total > _SUM_LIMIT:
                return False
    return True


@jit
def product(a, b):
    """The 128 bits of a product of two uint64: (high, low)."""
    a_high, a_low, b_high, b_low = a >> _U32, a & _UMASK, b >> _U32, b & _UMASK
    low, cross = a_low * b_low, a_high * b_low
    middle = (low >> _U32) + (cross & _UMASK) + a_low * b_high
    return a_high * b_high + (cross >> _U32) + (middle >> _U32), (middle << _U32) | (low & _UMASK)


@jit
def mean(total, kind, count):
    """The double nearest to total / count; the sum itself with count 1."""
    return total / (float(count) * 1e6) if kind == FLOAT else total / float(count)


@jit
def std(total, square_high, square_low, kind, count):
    """Sample standard deviation of count >= 2 numbers, as exact.sample_std has it."""
    n = np.uint64(count)
    carry, low = product(square_low, n)
    high = square_high * n + carry
    size = np.uint64(abs(total))
    less_high, less_low = product(size, size)
    high -= less_high + (np.uint64(1) if low < less_low else np.uint64(0))
    low -= less_low
    if high == 0 and low == 0:
        return 0.0
    exponent = np.int64(64)
    if high == 0:
        high, low, exponent = low, np.uint64(0), np.int64(0)
    while high >> np.uint64(63) == 0:
        high = (high << np.uint64(1)) | (low >> np.uint64(63))
        low <<= np.uint64(1)
        exponent -= 1
    numerator = float(high)
    if exponent & 1:
        numerator *= 2.0
        exponent -= 1
    root = math.sqrt(numerator / (float(count) * float(count - 1)))
    return math.ldexp(root / 1e6 if kind == FLOAT else root, exponent // 2)
