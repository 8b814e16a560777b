"""Money: exact decimals in, integer micros (millionths of the major unit) out."""

from __future__ import annotations

from decimal import Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow

from rapport.errors import EventError

__all__ = ["MAX_MICROS", "micros"]

MAX_MICROS = 2**63 - 1

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


def _too_fine(field: str, value: Decimal) -> EventError:
    return _refused(field, value, "has more than 6 decimals; round it, or send it as text")


def _refused(field: str, value: Decimal, why: str) -> EventError:
    text = str(value)
    return EventError("bad_value", field, f"{text if len(text) <= 40 else text[:40] + '…'} {why}")
