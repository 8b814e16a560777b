"""Money: exact decimals in, integer micros (millionths of the major unit) out."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rapport.errors import EventError
from rapport.events.arrow import units_of

__all__ = ["MAX_MICROS", "micros", "micros_of"]

MAX_MICROS = 2**63 - 1

_PLACES = 6
_ARROW = pa.decimal128(38, _PLACES)
_MILLION = Decimal(1_000_000)
_LARGEST = Decimal("9223372036854.775807")
_EXACT = Context(prec=28, traps=[Inexact, InvalidOperation, Overflow])
"""Multiplies exactly, or raises."""


def micros(value: Decimal, field: str) -> int:
    """`value` in micros, exact.

    Raises:
        EventError: not a finite number, negative, with more than 6 decimals, or beyond 2^63 - 1 micros.
    """
    if not value.is_finite():
        raise _refused(field, value, "is not a finite number")
    if value < 0:
        raise _refused(field, value, "is negative; amounts are positive, and `action` says which way the money goes")
    if value > _LARGEST:
        raise _refused(field, value, "is too large: below 9 million million is allowed")
    try:
        amount = _EXACT.multiply(value, _MILLION)
        whole = int(amount)
    except DecimalException:
        raise _too_fine(field, value) from None
    if whole != amount:
        raise _too_fine(field, value)
    return whole


def micros_of(values: Sequence[Decimal | None], field: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Many values in micros, exact: int64[n], 0 for None; and bool[n], False for None.

    Raises:
        EventError: as `micros`, of the first value that is refused.
    """
    try:
        array = pa.array(values, _ARROW)
    except pa.ArrowInvalid:
        array = None
    if array is not None and (amounts := units_of(array, fill=0)) is not None and (not len(amounts) or amounts.min() >= 0):
        return amounts, array.is_valid().to_numpy(zero_copy_only=False)
    given = [None if value is None else micros(value, field) for value in values]
    valid = np.fromiter((amount is not None for amount in given), np.bool_, len(given))
    return np.fromiter((amount or 0 for amount in given), np.int64, len(given)), valid


def _too_fine(field: str, value: Decimal) -> EventError:
    return _refused(field, value, "has more than 6 decimals; round it, or send it as text")


def _refused(field: str, value: Decimal, why: str) -> EventError:
    text = str(value)
    return EventError("bad_value", field, f"{text if len(text) <= 40 else text[:40] + '…'} {why}")
