"""Tensors of requests as numbers: checked against their datatype and shape, missing values as NaN."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapport.inference.wire import BINARY_SIZE, DATATYPES, InputTensor, Received
from rapport.intake.refusal import Refusal

__all__ = ["refused", "values_of"]

_DTYPES = {
    name: np.dtype(kind)
    for name, kind in zip(
        DATATYPES, ("?", "u1", "<u2", "<u4", "<u8", "i1", "<i2", "<i4", "<i8", "<f2", "<f4", "<f8"), strict=True
    )
}
_LARGEST = float(np.finfo(np.float32).max)
"""Models compute in 32-bit floating point."""

Values = NDArray[np.float64]


def values_of(received: Received) -> list[Values]:
    """The values of each input, float64 in the input's shape.

    Raises:
        Refusal: 400, names the input and what is wrong.
    """
    found: list[Values] = []
    at = 0
    for place, tensor in enumerate(received.request.inputs):
        where = f"inputs[{place}]"
        dtype = _dtype(tensor, where)
        size = _binary_size(tensor, where)
        if size is None:
            flat = _from_json(tensor, dtype, where)
        else:
            flat = _from_bytes(received.binary[at : at + size], size, dtype, where)
            at += size
        _check_values(flat, tensor, where)
        found.append(flat.reshape(tensor.shape))
    if at != len(received.binary):
        raise refused("inputs", f"{len(received.binary)} bytes are behind the JSON, the inputs take {at} of them")
    return found


def refused(field: str, detail: str, reason: str = "bad_value") -> Refusal:
    return Refusal(400, reason, field, detail)


def _dtype(tensor: InputTensor, where: str) -> np.dtype[Any]:
    dtype = _DTYPES.get(tensor.datatype)
    if dtype is None:
        raise refused(f"{where}.datatype", f"{tensor.datatype!r} is not served; {', '.join(DATATYPES)} are")
    return dtype


def _binary_size(tensor: InputTensor, where: str) -> int | None:
    """How many bytes behind the JSON are the tensor's; None: its values are in the JSON."""
    size = (tensor.parameters or {}).get(BINARY_SIZE)
    if size is None:
        if tensor.data is None:
            raise refused(f"{where}.data", f"is required, or the parameter {BINARY_SIZE}", "missing_field")
        return None
    if tensor.data is not None:
        raise refused(f"{where}.data", f"is given, and {BINARY_SIZE} too; give one of them")
    if type(size) is not int or size < 0:
        raise refused(f"{where}.parameters.{BINARY_SIZE}", f"{str(size)[:80]!r} is no number of bytes")
    return size


def _from_json(tensor: InputTensor, dtype: np.dtype[Any], where: str) -> Values:
    flat = _flattened(tensor, where)
    _check_size(len(flat), tensor.shape, where)
    try:
        values = np.array(flat, np.float64)
    except OverflowError:
        raise refused(f"{where}.data", "a number is too large for FP64") from None
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            narrow: Values = values.astype(dtype).astype(np.float64)
        _refuse_where(np.isinf(narrow), values, tensor, where)
        return narrow
    low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    # null is a missing integer, too
    unfit = (values < low) | (values > high) | (np.floor(values) != values) & ~np.isnan(values)
    _refuse_where(unfit, values, tensor, where)
    return values


def _flattened(tensor: InputTensor, where: str) -> list[Any]:
    """The data without its rows."""
    data = tensor.data or []
    rows = [row for row in data if isinstance(row, list)]
    if not rows:
        return data
    width = tensor.shape[-1] if len(tensor.shape) == 2 else -1
    if len(rows) != len(data) or any(len(row) != width for row in rows):
        raise refused(f"{where}.data", f"its rows are not those of the shape {tensor.shape}")
    return [value for row in rows for value in row]


def _from_bytes(raw: memoryview, size: int, dtype: np.dtype[Any], where: str) -> Values:
    if len(raw) != size or size % dtype.itemsize:
        raise refused(
            f"{where}.parameters.{BINARY_SIZE}",
            f"{size} bytes of elements of {dtype.itemsize} are said to be there; {len(raw)} are",
        )
    found = np.frombuffer(raw, dtype if dtype.kind != "b" else np.uint8)
    if dtype.kind == "b" and found.size and found.max() > 1:
        raise refused(where, f"{found.max()} is no BOOL; 0 and 1 are")
    values: Values = found.astype(np.float64)
    return values


def _check_size(found: int, shape: list[int], where: str) -> None:
    if prod(shape) != found:
        raise refused(f"{where}.shape", f"{shape} has {prod(shape)} elements, {found} are given")


def _check_values(flat: Values, tensor: InputTensor, where: str) -> None:
    _check_size(flat.size, tensor.shape, where)
    _refuse_where(np.abs(flat) > _LARGEST, flat, tensor, where)


def _refuse_where(unfit: NDArray[np.bool_], values: Values, tensor: InputTensor, where: str) -> None:
    if unfit.any():
        place = int(unfit.argmax())
        said = f"{values[place]:g} at {place} does not fit {tensor.datatype}, or FP32, in which models compute"
        raise refused(f"{where}.data", f"{said}; null is a missing value")
