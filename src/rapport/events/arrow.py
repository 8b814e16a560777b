"""Between Arrow's arrays and the engine's columns."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa

from rapport.windows import Column, Kind, StringArray

__all__ = ["arrow_type", "to_array", "to_column", "units_of"]

_TYPES = {Kind.INT: pa.int64(), Kind.FLOAT: pa.float64(), Kind.STRING: pa.string(), Kind.BOOL: pa.bool_()}
_ZEROS = {Kind.INT: 0, Kind.FLOAT: 0.0, Kind.BOOL: False}
_DIGITS = 38


def arrow_type(kind: Kind, scale: int = 0) -> pa.DataType:
    """The Arrow type of a kind's values; `scale` is a decimal's number of places."""
    return pa.decimal128(_DIGITS, scale) if kind is Kind.DECIMAL else _TYPES[kind]


def to_column(kind: Kind, array: pa.Array, scale: int = 0) -> Column:
    """The engine's column of an Arrow array of the kind's type (strings of any width, decimals of up to 18 digits)."""
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    if kind is Kind.DECIMAL:
        return Column(kind, _units(array.cast(arrow_type(kind, scale))), valid, scale)
    if kind is not Kind.STRING:
        filled = array.fill_null(_ZEROS[kind]) if array.null_count else array
        return Column(kind, filled.to_numpy(zero_copy_only=False), valid)
    wide = array.cast(pa.large_string())
    _, offsets, data = wide.buffers()
    if not len(wide) or data is None:
        return Column(kind, StringArray(np.zeros(0, np.uint8), np.zeros(len(wide) + 1, np.int64)), valid)
    places = np.frombuffer(offsets, np.int64, len(wide) + 1, wide.offset * 8)
    return Column(kind, StringArray(np.frombuffer(data, np.uint8)[places[0] : places[-1]], places - places[0]), valid)


def to_array(column: Column) -> pa.Array:
    """The Arrow array of an engine's column."""
    if column.kind is Kind.DECIMAL:
        return _decimals(column)
    if column.kind is not Kind.STRING:
        return pa.array(np.ascontiguousarray(column.values), _TYPES[column.kind], mask=~column.valid)
    strings: StringArray = column.values
    offsets, data = pa.py_buffer(strings.offsets), pa.py_buffer(np.ascontiguousarray(strings.data))
    wide = pa.Array.from_buffers(pa.large_string(), len(column), [_bits(column), offsets, data])
    return wide.cast(pa.string())


def _units(array: pa.Array) -> np.ndarray:
    """int64[n], decimals in units of their last place: the low word of Arrow's 128 bits."""
    return _words(array)[::2]


def units_of(array: pa.Array, fill: int) -> np.ndarray | None:
    """int64[n], decimals in units of their last place, `fill` for null; None when one of them needs more bits."""
    words = _words(array.fill_null(Decimal(fill)) if array.null_count else array)
    low, high = words[::2], words[1::2]
    return low if (high == low >> 63).all() else None


def _words(array: pa.Array) -> np.ndarray:
    """int64[2 n], Arrow's 128 bits of decimals."""
    return np.frombuffer(array.buffers()[1] or b"", np.int64)[2 * array.offset :][: 2 * len(array)]


def _decimals(column: Column) -> pa.Array:
    words = np.empty(2 * len(column), np.int64)
    words[::2] = column.values
    words[1::2] = column.values >> 63
    buffers = [_bits(column), pa.py_buffer(words)]
    return pa.Array.from_buffers(arrow_type(column.kind, column.scale), len(column), buffers)


def _bits(column: Column) -> pa.Buffer:
    return pa.py_buffer(np.packbits(column.valid, bitorder="little"))
