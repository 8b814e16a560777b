"""Money: exact decimals in, integer micros (millionths of the major unit) out."""

from __future__ import annotations

from decimal import Decimal

from rapport.errors import EventError

__all__ = ["MAX_MICROS", "micros"]

MAX_MICROS = 2**63 - 1
_DECIMALS = 6
_LARGEST_EXPONENT = 12
"""Of the first digit of 9,223,372,036,854.775807."""


def micros(value: Decimal, field: str) -> int:
    """`value` in micros, exact.

    Raises:
        EventError: not a finite number, negative, with more than 6 decimals, or beyond 2^63 - 1 micros.
    """
    if not value.is_finite():
        raise _refused(field, value, "is not a finite number")
    if value < 0:
        raise _refused(field, value, "is negative; amounts are positive, and `action` says which way the money goes")
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -_DECIMALS:
        raise _refused(field, value, f"has more than {_DECIMALS} decimals; round it, or send it as text")
    if value and value.adjusted() > _LARGEST_EXPONENT:
        raise _refused(field, value, "is too large: below 9 million million is allowed")
    # At most 19 digits here, which Decimal's context holds exactly.
    amount = int(value * 1_000_000)
    if amount > MAX_MICROS:
        raise _refused(field, value, "is too large: below 9 million million is allowed")
    return amount


def _refused(field: str, value: Decimal, why: str) -> EventError:
    text = str(value)
    return EventError("bad_value", field, f"{text if len(text) <= 40 else text[:40] + '…'} {why}")
