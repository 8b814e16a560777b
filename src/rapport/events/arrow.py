"""Between Arrow's arrays and the engine's columns."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from rapport.windows import Column, Kind, StringArray

__all__ = ["arrow_type", "bits", "to_array", "to_column", "valid_of", "words_of"]

_TYPES = {Kind.INT: pa.int64(), Kind.FLOAT: pa.float64(), Kind.STRING: pa.string(), Kind.BOOL: pa.bool_()}
_DTYPES: dict[Kind, type[np.generic]] = {Kind.INT: np.int64, Kind.FLOAT: np.float64}
_DIGITS = 38


def arrow_type(kind: Kind, scale: int = 0) -> pa.DataType:
    """The Arrow type of a kind's values; `scale` is a decimal's number of places."""
    return pa.decimal128(_DIGITS, scale) if kind is Kind.DECIMAL else _TYPES[kind]


def to_column(kind: Kind, array: pa.Array, scale: int = 0) -> Column:
    """The engine's column of an Arrow array of the kind's type (strings of any width, decimals of up to 18 digits).

    Arrow's memory is used where it can be, so that a column costs no more than looking at its buffers.
    """
    if array.null_count == len(array):
        return _nulls(kind, len(array), scale)
    valid = valid_of(array)
    if kind is Kind.DECIMAL:
        return Column(kind, _units(array.cast(arrow_type(kind, scale))), valid, scale)
    if kind is Kind.STRING:
        return Column(kind, _strings(array), valid)
    content = array.buffers()[1]
    if kind is Kind.BOOL:
        return Column(kind, _bools(content, array.offset, len(array)), valid)
    return Column(kind, np.frombuffer(content or b"", _DTYPES[kind])[array.offset : array.offset + len(array)], valid)


def valid_of(array: pa.Array) -> np.ndarray:
    """bool[n]; False is null."""
    if not array.null_count:
        return np.ones(len(array), np.bool_)
    return _bools(array.buffers()[0], array.offset, len(array))


def to_array(column: Column) -> pa.Array:
    """The Arrow array of an engine's column."""
    if column.kind is Kind.DECIMAL:
        return _decimals(column)
    if column.kind is not Kind.STRING:
        return pa.array(np.ascontiguousarray(column.values), _TYPES[column.kind], mask=~column.valid)
    strings: StringArray = column.values
    offsets, data = pa.py_buffer(strings.offsets), pa.py_buffer(np.ascontiguousarray(strings.data))
    wide = pa.Array.from_buffers(pa.large_string(), len(column), [pa.py_buffer(bits(column.valid)), offsets, data])
    return wide.cast(pa.string())


def _nulls(kind: Kind, count: int, scale: int) -> Column:
    """A column without a value: in a small batch most are, as each type of event has fields of its own."""
    valid = np.zeros(count, np.bool_)
    if kind is Kind.STRING:
        return Column(kind, StringArray(np.zeros(0, np.uint8), np.zeros(count + 1, np.int64)), valid)
    if kind is Kind.DECIMAL:
        return Column(kind, np.zeros(count, np.int64), valid, scale)
    return Column(kind, valid if kind is Kind.BOOL else np.zeros(count, _DTYPES[kind]), valid)


def _bools(content: pa.Buffer | None, offset: int, count: int) -> np.ndarray:
    bits = np.frombuffer(content or b"", np.uint8)
    # Names for its arguments would take as long as the work on a small batch.
    return np.unpackbits(bits, None, offset + count, "little")[offset:].view(np.bool_)


def _strings(array: pa.Array) -> StringArray:
    _, offsets, data = array.buffers()
    if not len(array) or data is None:
        return StringArray(np.zeros(0, np.uint8), np.zeros(len(array) + 1, np.int64))
    width = np.int64 if pa.types.is_large_string(array.type) else np.int32
    places = np.frombuffer(offsets, width)[array.offset : array.offset + len(array) + 1].astype(np.int64)
    return StringArray(np.frombuffer(data, np.uint8)[places[0] : places[-1]], places - places[0])


def _units(array: pa.Array) -> np.ndarray:
    """int64[n], decimals in units of their last place: the low word of Arrow's 128 bits."""
    return words_of(array)[::2]


def words_of(array: pa.Array) -> np.ndarray:
    """int64[2 n], Arrow's 128 bits of decimals."""
    return np.frombuffer(array.buffers()[1] or b"", np.int64)[2 * array.offset :][: 2 * len(array)]


def _decimals(column: Column) -> pa.Array:
    words = np.empty(2 * len(column), np.int64)
    words[::2] = column.values
    words[1::2] = column.values >> 63
    buffers = [pa.py_buffer(bits(column.valid)), pa.py_buffer(words)]
    return pa.Array.from_buffers(arrow_type(column.kind, column.scale), len(column), buffers)


def bits(mask: np.ndarray) -> np.ndarray:
    """uint8[..., ceil(n / 8)] of a bool[..., n], as Arrow has them."""
    return np.packbits(mask, axis=-1, bitorder="little")
