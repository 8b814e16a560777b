"""Many columns to Arrow arrays, at a low cost for each of them: a batch may have few events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rapport.events.arrow import arrow_type, bits
from rapport.windows import Kind

__all__ = ["Numbers", "Values", "to_arrays"]


class Numbers(NamedTuple):
    """A column in NumPy.

    Attributes:
        values: int64[n]; or `valid` itself, of a column of true and null.
        valid: bool[n], False where the value is null.
    """

    values: npt.NDArray[Any]
    valid: npt.NDArray[np.bool_]


Values: TypeAlias = Numbers | Sequence[Any]
"""A column: n Python values, of which None is null, or Numbers."""


def to_arrays(columns: Mapping[str, Values], kinds: Mapping[str, Kind]) -> dict[str, pa.Array]:
    """The columns by name, all of them equally long, as arrays of the Arrow types of their kinds."""
    numbers = {name: values for name, values in columns.items() if isinstance(values, Numbers)}
    others = {name: values for name, values in columns.items() if name not in numbers}
    return {name: _array(values, arrow_type(kinds[name])) for name, values in others.items()} | _arrays(numbers, kinds)


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    is_null = all(value is None for value in values)
    return pa.nulls(len(values), kind) if is_null else pa.array(values, kind)


def _arrays(columns: Mapping[str, Numbers], kinds: Mapping[str, Kind]) -> dict[str, pa.Array]:
    """As pa.array makes of the values and a mask, which takes twice as long."""
    valid = bits(np.array([column.valid for column in columns.values()], np.bool_))
    arrays: dict[str, pa.Array] = {}
    for row, (name, column) in zip(valid, columns.items(), strict=True):
        validity = pa.py_buffer(row)
        content = validity if column.values is column.valid else pa.py_buffer(column.values)
        arrays[name] = pa.Array.from_buffers(arrow_type(kinds[name]), len(column.valid), [validity, content])
    return arrays
