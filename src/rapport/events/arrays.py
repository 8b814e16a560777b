"""Many columns to Arrow arrays: those of a kind at once, as a conversion costs as much as that of a hundred values."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rapport.events.arrow import arrow_type, bits
from rapport.windows import Kind

__all__ = ["Numbers", "Values", "to_arrays"]


class Numbers(NamedTuple):
    """A column of int64 or bool in NumPy.

    Attributes:
        values: [n].
        valid: bool[n], False where the value is null.
    """

    values: npt.NDArray[Any]
    valid: npt.NDArray[np.bool_]


Values: TypeAlias = Numbers | Sequence[Any]
"""A column: n Python values, of which None is null, or Numbers."""


def to_arrays(columns: Mapping[str, Values], kinds: Mapping[str, Kind]) -> dict[str, pa.Array]:
    """The columns by name, all of them equally long, as arrays of the Arrow types of their kinds."""
    alike: dict[int, list[str]] = defaultdict(list)
    for name, values in columns.items():
        # A number, as to hash a member of an enum takes longer than all else here.
        alike[2 * kinds[name] + isinstance(values, Numbers)].append(name)
    arrays: dict[str, pa.Array] = {}
    for names in alike.values():
        together: list[Any] = [columns[name] for name in names]
        convert = _numbers if isinstance(together[0], Numbers) else _values
        whole = convert(together, arrow_type(kinds[names[0]]))
        n = len(whole) // len(names)
        arrays |= {name: whole.slice(i * n, n) for i, name in enumerate(names)}
    return arrays


def _numbers(columns: Sequence[Any], kind: pa.DataType) -> pa.Array:
    values, valid = (np.concatenate(parts) for parts in zip(*columns, strict=True))
    content = pa.py_buffer(bits(values) if values.dtype == np.bool_ else values)
    return pa.Array.from_buffers(kind, len(values), [pa.py_buffer(bits(valid)), content])


def _values(columns: Sequence[Any], kind: pa.DataType) -> pa.Array:
    return pa.array(list(chain.from_iterable(columns)), kind)
