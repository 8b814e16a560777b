"""Money: exact decimals in, integer micros (millionths of the major unit) out."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rapport.errors import EventError
from rapport.events.arrow import units_of, valid_of

__all__ = ["MAX_MICROS", "check_amount", "micros", "micros_of"]

MAX_MICROS = 2**63 - 1

_ARROW = pa.decimal128(38, 6)
_ZERO = Decimal(0)
_MILLION = Decimal(1_000_000)
_LARGEST = Decimal("9223372036854.775807")
_EXACT = Context(prec=28, traps=[Inexact, InvalidOperation, Overflow])
"""Multiplies exactly, or raises."""


def micros(value: Decimal, field: str) -> int:
    """`value` in micros, exact.

    Raises:
        EventError: not a finite number, negative, with more than 6 decimals, or beyond 2^63 - 1 micros.
    """
    return int(check_amount(value, field))


def check_amount(value: Decimal, field: str) -> Decimal:
    """As `micros`, which takes twice as long; gives a decimal that is whole.

    Raises:
        EventError
    """
    try:
        if _ZERO <= value <= _LARGEST:
            return _EXACT.to_integral_exact(_EXACT.multiply(value, _MILLION))
    except DecimalException:
        pass
    raise _why(value, field)


def micros_of(values: Sequence[Decimal | None]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Many values in micros, exact: int64[n], 0 for None; and bool[n], False for None.

    Raises:
        EventError: as `micros`, of a value that is refused.
    """
    try:
        array = pa.array(values, _ARROW)
        amounts = units_of(array, fill=0)
    except pa.ArrowInvalid:
        amounts = None
    if amounts is None or (len(amounts) and amounts.min() < 0):
        # Among them is one that is refused, or that only Arrow cannot take.
        array = pa.array([None if value is None else micros(value, "") for value in values], pa.int64())
        amounts = array.fill_null(0).to_numpy()
    return amounts, valid_of(array)


def _why(value: Decimal, field: str) -> EventError:
    if not value.is_finite():
        return _refused(field, value, "is not a finite number")
    if value < 0:
        return _refused(field, value, "is negative; amounts are positive, and `action` says which way the money goes")
    if value > _LARGEST:
        return _refused(field, value, "is too large: below 9 million million is allowed")
    return _refused(field, value, "has more than 6 decimals; round it, or send it as text")


def _refused(field: str, value: Decimal, why: str) -> EventError:
    text = str(value)
    return EventError("bad_value", field, f"{text if len(text) <= 40 else text[:40] + '…'} {why}")
