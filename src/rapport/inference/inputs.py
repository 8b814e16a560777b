"""The matrix of a model's rows, from a request's tensors: one tensor a column, by name, or all columns in one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rapport.inference.tensors import refused
from rapport.inference.wire import MAX_ROWS, InputTensor

__all__ = ["matrix_of"]

_SHOWN = 3


def matrix_of(
    columns: Sequence[str], tensors: Sequence[InputTensor], values: Sequence[NDArray[np.float64]]
) -> NDArray[np.float64]:
    """float64[n, F] in the order of `columns`.

    Args:
        columns: the model's.
        tensors: the request's inputs.
        values: theirs, float64 in their shapes.

    Raises:
        Refusal: 400, names the input and what is wrong.
    """
    by_name = {tensor.name: place for place, tensor in enumerate(tensors)}
    if len(tensors) == 1 and tensors[0].name not in columns:
        matrix = values[0]
        if matrix.ndim != 2 or matrix.shape[1] != len(columns):
            raise refused(
                "inputs[0].shape", f"{tensors[0].shape} is not [n, {len(columns)}], the columns of this model"
            )
    else:
        _check_names(columns, tensors, by_name)
        chosen = [_column(tensors, values, by_name[name]) for name in columns]
        rows = {column.size for column in chosen}
        if len(rows) > 1:
            raise refused("inputs", f"the columns have {min(rows)} to {max(rows)} rows; all need as many")
        matrix = np.column_stack(chosen)
    if not 1 <= len(matrix) <= MAX_ROWS:
        raise refused("inputs", f"{len(matrix):,} rows; 1 to {MAX_ROWS:,} are allowed")
    return matrix


def _check_names(columns: Sequence[str], tensors: Sequence[InputTensor], by_name: dict[str, int]) -> None:
    known = set(columns)
    for place, tensor in enumerate(tensors):
        if tensor.name not in known:
            raise refused(f"inputs[{place}].name", f"{tensor.name[:80]!r} is no column of this model; GET its metadata")
        if by_name[tensor.name] != place:
            raise refused(f"inputs[{place}].name", f"{tensor.name[:80]!r} is given twice")
    missing = [name for name in columns if name not in by_name]
    if missing:
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise refused(
            "inputs",
            f"{', '.join(missing[:_SHOWN])}{more} not given; each column is needed, with null where nothing is known",
            "missing_field",
        )


def _column(tensors: Sequence[InputTensor], values: Sequence[NDArray[np.float64]], place: int) -> NDArray[np.float64]:
    found = values[place]
    if found.ndim not in (1, 2) or (found.ndim == 2 and found.shape[1] != 1):
        raise refused(f"inputs[{place}].shape", f"{tensors[place].shape} is not [n] or [n, 1], a column of n rows")
    return found.ravel()
