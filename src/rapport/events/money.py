"""Money: exact decimals in, integer micros (millionths of the major unit) out."""

from __future__ import annotations

from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow

from rapport.errors import EventError

__all__ = ["MAX_MICROS", "check_amount", "micros"]

MAX_MICROS = 2**63 - 1

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
