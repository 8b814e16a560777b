"""Between Arrow's arrays and the engine's columns."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from rapport.windows import Column, Kind, StringArray

__all__ = ["ARROW_TYPES", "to_array", "to_column"]

ARROW_TYPES = {Kind.INT: pa.int64(), Kind.FLOAT: pa.float64(), Kind.STRING: pa.string(), Kind.BOOL: pa.bool_()}
"""The Arrow type of each kind's values."""

_ZEROS = {Kind.INT: 0, Kind.FLOAT: 0.0, Kind.BOOL: False}


def to_column(kind: Kind, array: pa.Array) -> Column:
    """The engine's column of an Arrow array of the kind's type (strings of any width)."""
    valid = array.is_valid().to_numpy(zero_copy_only=False)
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
    if column.kind is not Kind.STRING:
        return pa.array(np.ascontiguousarray(column.values), ARROW_TYPES[column.kind], mask=~column.valid)
    strings: StringArray = column.values
    bits = pa.py_buffer(np.packbits(column.valid, bitorder="little"))
    offsets, data = pa.py_buffer(strings.offsets), pa.py_buffer(np.ascontiguousarray(strings.data))
    wide = pa.Array.from_buffers(pa.large_string(), len(column), [bits, offsets, data])
    return wide.cast(pa.string())
