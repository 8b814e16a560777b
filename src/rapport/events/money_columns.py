"""Money by the column: many exact decimals in, integer micros out."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rapport.events.arrow import valid_of, words_of
from rapport.events.money import micros

__all__ = ["micros_of"]

_ARROW = pa.decimal128(38, 6)


def micros_of(values: Sequence[Decimal | None]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Many values in micros, exact: int64[n], 0 for None; and bool[n], False for None.

    Raises:
        EventError: as `micros`, of a value that is refused.
    """
    try:
        array = pa.array(values, _ARROW)
    except pa.ArrowInvalid:
        return _one_by_one(values)
    words, valid = words_of(array), valid_of(array)
    low, high = words[::2], words[1::2]
    if high.any() or low.min(initial=0) < 0:
        return _one_by_one(values)
    return low * valid, valid


def _one_by_one(values: Sequence[Decimal | None]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Among them is one that is refused, or that only Arrow cannot take."""
    amounts = [0 if value is None else micros(value, "") for value in values]
    return np.array(amounts, np.int64), np.array([value is not None for value in values], np.bool_)
