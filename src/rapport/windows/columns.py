"""Columns of event values: what the engine takes, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from rapport.windows.view import Kind

__all__ = ["Column", "Events", "Scalar", "StringArray", "column_of"]

Bits: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Scalar: TypeAlias = int | float | bool | str | Decimal

_SIGN = np.int64(0x7FFF_FFFF_FFFF_FFFF)


@dataclass(frozen=True, slots=True)
class StringArray:
    """n strings as UTF-8: string i is data[offsets[i]:offsets[i + 1]]."""

    data: npt.NDArray[np.uint8]
    offsets: Bits

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, i: int) -> str:
        return self.data[self.offsets[i] : self.offsets[i + 1]].tobytes().decode()


@dataclass(frozen=True, slots=True)
class Column:
    """n values of one kind, some of them null.

    Attributes:
        values: INT int64[n]; FLOAT float64[n], finite; BOOL bool[n]; STRING a StringArray of n; DECIMAL int64[n] in
            units of the last decimal place. Whatever stands where `valid` is False is not looked at.
        valid: bool[n]; False is null.
        scale: decimal places of a DECIMAL; 0 of others.
    """

    kind: Kind
    values: Any
    valid: Mask
    scale: int = 0

    def __len__(self) -> int:
        return len(self.valid)

    def __getitem__(self, i: int) -> Scalar | None:
        if not self.valid[i]:
            return None
        value = self.values[i]
        if self.kind is Kind.DECIMAL:
            return Decimal(value.item()).scaleb(-self.scale)
        return value if isinstance(value, str) else value.item()

    def to_list(self) -> list[Scalar | None]:
        return [self[i] for i in range(len(self))]


@dataclass(frozen=True, slots=True)
class Events:
    """n events: their times (UTC, microseconds, int64[n]) and the columns that windows look at, n values each."""

    event_time_us: Bits
    columns: Mapping[str, Column] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.event_time_us)


def column_of(kind: Kind, values: Sequence[Scalar | None], scale: int = 0) -> Column:
    """A column from Python values, None being null.

    Args:
        scale: decimal places of a DECIMAL column; its values are Decimals.

    Raises:
        ValueError: a float that is not finite, a decimal of more places or digits, or a value that is not of the kind.
    """
    if kind is Kind.DECIMAL:
        values = [None if value is None else _units(value, scale) for value in values]
    valid = np.fromiter((value is not None for value in values), np.bool_, len(values))
    if kind is Kind.STRING:
        return Column(kind, _strings(values), valid)
    dtype = {Kind.FLOAT: np.float64, Kind.BOOL: np.bool_}.get(kind, np.int64)
    filled: npt.NDArray[Any] = np.array([0 if value is None else value for value in values], dtype)
    if kind is Kind.FLOAT and not np.isfinite(filled).all():
        raise ValueError("a float column takes finite numbers only; NaN and infinities must be null")
    return Column(kind, filled, valid, scale)


def _units(value: Scalar, scale: int) -> int:
    """A decimal in units of its last place."""
    units = Decimal(value).scaleb(scale)
    if not units.is_finite() or units != units.to_integral_value() or not -(2**63) <= units < 2**63:
        raise ValueError(f"{value} is not a decimal of at most {scale} places and below 2^63 in units of the last")
    return int(units)


def float_keys(values: npt.NDArray[np.float64]) -> Bits:
    """Order-preserving int64 of finite floats; -0.0 and 0.0 are one."""
    bits = (values + 0.0).view(np.int64)
    return bits ^ ((bits >> 63) & _SIGN)


def _strings(values: Sequence[Any]) -> StringArray:
    encoded = [b"" if value is None else value.encode() for value in values]
    offsets = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)), out=offsets[1:])
    return StringArray(np.frombuffer(b"".join(encoded), np.uint8), offsets)
