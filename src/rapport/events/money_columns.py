"""Money by the column: many exact decimals in, integer micros out."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rapport.events.arrow import units_of, valid_of
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
        amounts = units_of(array, fill=0)
    except pa.ArrowInvalid:
        amounts = None
    if amounts is None or (len(amounts) and amounts.min() < 0):
        # Among them is one that is refused, or that only Arrow cannot take.
        array = pa.array([None if value is None else micros(value, "") for value in values], pa.int64())
        amounts = array.fill_null(0).to_numpy()
    return amounts, valid_of(array)
