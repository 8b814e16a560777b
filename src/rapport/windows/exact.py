"""Exact sums of numbers and of their squares, compiled.

A sum is held in 32-bit digits (limbs) of one long fixed-point integer, as Kulisch's accumulator has it: adding is
exact, so the order of events cannot matter, and one rounding at the end gives the nearest double.

Integers are summed as they are. Of floats, a million times the value is summed, in units of 2^-1088: a float that is a
decimal of at most 6 places (a price, a score in millionths) counts as that decimal, in a small integer's room, and any
other finite float counts as the binary fraction that it is.

Limbs are int64, so that 2^28 additions may pass before digits are carried. `range_` holds the limbs in use,
[low, high), low > high when there are none.
"""

from __future__ import annotations

import math

import numpy as np

from rapport.windows.compiled import bits_of_float, float_of_bits, jit

__all__: list[str] = []

INT, FLOAT, STRING, BOOL, DECIMAL = range(5)
"""rapport.windows.view.Kind, as plain integers for compiled code."""

SUM_LIMBS = 72
SQUARE_LIMBS = 140
TEMP_LIMBS = 160
UNIT_LIMB = 34
"""The limb of a float sum in which whole millionths begin; twice that for squares."""

_MILLION = 1_000_000
_DECIMAL_LIMIT = float(1 << 50)
_MASK = np.int64(0xFFFF_FFFF)
_UMASK = np.uint64(0xFFFF_FFFF)
_U32 = np.uint64(32)
_SIGN = np.int64(0x7FFF_FFFF_FFFF_FFFF)


@jit
def float_bits(key):
    """IEEE 754 bits of an order-preserving key; the map is its own inverse."""
    return key ^ ((key >> 63) & _SIGN)


@jit
def millionths(key):
    """Whether a float is a decimal of at most 6 places and below 2^50 millionths, and its millionths."""
    value = float_of_bits(float_bits(key))
    scaled = value * 1e6
    if not -_DECIMAL_LIMIT <= scaled <= _DECIMAL_LIMIT:
        return False, np.int64(0)
    units = np.int64(np.rint(scaled))
    return units / 1e6 == value, units


@jit
def key_of_millionths(units):
    """The key of the float nearest to a number of millionths."""
    return float_bits(bits_of_float(units / 1e6))


@jit
def _digits(kind, key):
    """A number's sign, the three 32-bit digits of its magnitude (uint64), lowest first, and their bit position."""
    position, units, is_decimal = np.int64(0), key, True
    if kind == FLOAT:
        position = np.int64(32 * UNIT_LIMB)
        is_decimal, units = millionths(key)
    if is_decimal:
        magnitude = np.uint64(-units) if units < 0 else np.uint64(units)
        return (-1 if units < 0 else 1), magnitude & _UMASK, magnitude >> _U32, np.uint64(0), position
    bits = float_bits(key)
    exponent = (bits >> 52) & 0x7FF
    mantissa = bits & ((np.int64(1) << 52) - 1)
    if exponent > 0:
        mantissa |= np.int64(1) << 52
        exponent -= 1
    low, high = np.uint64((mantissa & _MASK) * _MILLION), np.uint64((mantissa >> 32) * _MILLION)
    middle = (low >> _U32) + (high & _UMASK)
    third = (middle >> _U32) + (high >> _U32)
    return (-1 if bits < 0 else 1), low & _UMASK, middle & _UMASK, third, exponent + 32 * UNIT_LIMB - 1074


@jit
def _add_digit(limbs, limb, offset, digit, sign):
    shifted = np.int64(digit) << offset
    limbs[limb] += sign * (shifted & _MASK)
    limbs[limb + 1] += sign * (shifted >> 32)


@jit
def add_number(limbs, range_, kind, key):
    """Add one number."""
    sign, first, second, third, position = _digits(kind, key)
    limb, offset = position >> 5, position & 31
    _add_digit(limbs, limb, offset, first, sign)
    _add_digit(limbs, limb + 1, offset, second, sign)
    _add_digit(limbs, limb + 2, offset, third, sign)
    range_[0] = min(range_[0], limb)
    range_[1] = max(range_[1], limb + 4)


@jit
def _add_product(limbs, limb, offset, a, b):
    product = a * b
    _add_digit(limbs, limb, offset, product & _UMASK, 1)
    _add_digit(limbs, limb + 1, offset, product >> _U32, 1)


@jit
def add_square(limbs, range_, kind, key):
    """Add one number's square."""
    _, first, second, third, position = _digits(kind, key)
    limb, offset = (2 * position) >> 5, (2 * position) & 31
    _add_product(limbs, limb, offset, first, first)
    range_[0] = min(range_[0], limb)
    range_[1] = max(range_[1], limb + 3)
    if second == 0 and third == 0:
        return
    for _ in range(2):
        _add_product(limbs, limb + 1, offset, first, second)
        _add_product(limbs, limb + 2, offset, first, third)
        _add_product(limbs, limb + 3, offset, second, third)
    _add_product(limbs, limb + 2, offset, second, second)
    _add_product(limbs, limb + 4, offset, third, third)
    range_[1] = max(range_[1], limb + 7)


@jit
def normalize(limbs, low, high):
    """Carry, so that every limb is a digit of the magnitude; returns (new high, sign)."""
    carry = np.int64(0)
    for k in range(low, high):
        total = limbs[k] + carry
        limbs[k] = total & _MASK
        carry = total >> 32
    while carry > 0:
        limbs[high] = carry & _MASK
        carry >>= 32
        high += 1
    if carry == 0:
        return high, 1
    while carry < -1:
        limbs[high] = carry & _MASK
        carry >>= 32
        high += 1
    # What stands in the limbs is B^high - magnitude.
    borrow = np.int64(0)
    for k in range(low, high):
        total = borrow - limbs[k]
        limbs[k] = total & _MASK
        borrow = total >> 32
    if borrow == 0:
        limbs[high] = 1
        high += 1
    return high, -1


@jit
def _top(limbs, low, high):
    """The 64 bits from the highest set bit down: (bits, position of their lowest, whether lower bits are set)."""
    top = high - 1
    while top >= low and limbs[top] == 0:
        top -= 1
    if top < low:
        return np.uint64(0), 0, False
    width = 0
    while (limbs[top] >> width) != 0:
        width += 1
    second = limbs[top - 1] if top - 1 >= low else np.int64(0)
    third = limbs[top - 2] if top - 2 >= low else np.int64(0)
    spare = 32 - width
    bits = (np.uint64(limbs[top]) << _U32) | np.uint64(second)
    bits = (bits << np.uint64(spare)) | np.uint64(third >> (32 - spare))
    rest = (third & ((np.int64(1) << (32 - spare)) - 1)) != 0
    for k in range(low, top - 2):
        rest = rest or limbs[k] != 0
    return bits, 32 * (top - 1) - spare, rest


@jit
def nearest(limbs, low, high, scale, rest):
    """The double nearest to the magnitude x 2^-scale, ties to even; `rest` says that something lies below the limbs."""
    bits, position, below = _top(limbs, low, high)
    if bits == 0:
        return 0.0
    below = below or rest
    mantissa = np.int64(bits >> np.uint64(11))
    tail = np.int64(bits & np.uint64(0x7FF))
    if tail > 1024 or (tail == 1024 and (below or mantissa & 1)):
        mantissa += 1
    exponent = position + 11 - scale
    return math.inf if exponent > 1000 else math.ldexp(float(mantissa), exponent)


@jit
def _copy(limbs, range_, temp, by, room):
    """Copy limbs into temp, `by` limbs higher, normalized, with zeros below and `room` above: (low, high, sign)."""
    low, high = min(range_[0], range_[1]), range_[1]
    for k in range(low + by):
        temp[k] = 0
    for k in range(low, high):
        temp[k + by] = limbs[k]
    for k in range(high + by, high + by + room):
        temp[k] = 0
    new_high, sign = normalize(temp, low + by, high + by)
    return low + by, new_high, sign


@jit
def _divide(temp, high, divisor):
    """Divide the number in place by a positive integer below 2^31; returns whether something remains."""
    remainder = np.int64(0)
    for k in range(high - 1, -1, -1):
        value = (remainder << 32) | temp[k]
        temp[k] = value // divisor
        remainder = value % divisor
    return remainder != 0


@jit
def integer_sum(limbs, range_, temp):
    """The sum of integers as int64; a sum beyond int64 gives its nearest limit."""
    _, high, sign = _copy(limbs, range_, temp, 0, 4)
    beyond = temp[1] >> 31 != 0
    for k in range(2, high):
        beyond = beyond or temp[k] != 0
    if beyond:
        return _SIGN if sign > 0 else -_SIGN - 1
    return sign * ((temp[1] << 32) | temp[0])


@jit
def rounded_mean(limbs, range_, temp, kind, count, places):
    """The double nearest to the exact sum divided by count (below 2^31); the sum itself with count 1.

    `places`: decimal places of what was summed in units of the last one.
    """
    # Four more limbs, or six, so that the quotient has a full double's digits and more behind it.
    more = 4 if places == 0 else 6
    _, high, sign = _copy(limbs, range_, temp, more, 4)
    rest = _divide(temp, high, count)
    while places > 0:
        step = min(places, 9)
        rest = _divide(temp, high, 10**step) or rest
        places -= step
    scale = 32 * more
    if kind == FLOAT:
        rest = _divide(temp, high, _MILLION) or rest
        scale += 32 * UNIT_LIMB
    return sign * nearest(temp, 0, high, scale, rest)


@jit
def sample_std(sums, sum_range, squares, square_range, temp, other, kind, count):
    """Sample standard deviation of count >= 2 numbers: sqrt((n Q - S^2) / (n (n - 1))), with an exact numerator."""
    s_low, s_high, _ = _copy(sums, sum_range, other, 0, 4)
    q_low, q_high, _ = _copy(squares, square_range, temp, 0, 4 + max(0, 2 * s_high - square_range[1]))
    low, high = min(q_low, 2 * s_low), max(q_high, 2 * s_high) + 2
    carry = np.int64(0)
    for k in range(q_low, q_high):
        product = np.uint64(temp[k]) * np.uint64(count) + np.uint64(carry)
        temp[k] = np.int64(product & _UMASK)
        carry = np.int64(product >> _U32)
    temp[q_high] += carry
    for i in range(s_low, s_high):
        for j in range(s_low, s_high):
            product = np.uint64(other[i]) * np.uint64(other[j])
            temp[i + j] -= np.int64(product & _UMASK)
            temp[i + j + 1] -= np.int64(product >> _U32)
    high, _ = normalize(temp, low, high)
    bits, position, _ = _top(temp, low, high)
    if bits == 0:
        return 0.0
    exponent = position - 64 * UNIT_LIMB if kind == FLOAT else position
    numerator = float(bits)
    if exponent & 1:
        numerator *= 2.0
        exponent -= 1
    root = math.sqrt(numerator / (float(count) * float(count - 1)))
    return math.ldexp(root / 1e6 if kind == FLOAT else root, exponent // 2)
