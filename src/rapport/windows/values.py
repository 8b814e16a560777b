"""What a read gives: status and feature values of n rows."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rapport.windows.columns import Column, StringArray, keys_to_floats
from rapport.windows.plan import Plan
from rapport.windows.view import Kind

__all__ = ["EXPIRED", "MISSING", "PRESENT", "STATUS_NAMES", "Values"]

PRESENT, MISSING, EXPIRED = 0, 1, 2
STATUS_NAMES = ("present", "missing", "expired")

Outputs = namedtuple("Outputs", ["status", "newest", "integers", "floats", "lengths", "valid"])
"""Where compiled code leaves values: [n] the first two, [n, features] the others."""

_COMPUTED = ("sum", "mean", "std", "time_since_last")


@dataclass(frozen=True, slots=True)
class Values:
    """Feature values of n rows.

    Attributes:
        status: uint8[n]: PRESENT; MISSING, no event at or before as_of; EXPIRED, none within the ttl. All features of a
            row that is not present are null.
        newest_us: int64[n], time of the newest event at or before as_of; 0 for a missing row.
        names: the features, in declared order.
        features: a Column of n values for each.
    """

    status: npt.NDArray[np.uint8]
    newest_us: npt.NDArray[np.int64]
    names: tuple[str, ...]
    features: tuple[Column, ...]

    def __len__(self) -> int:
        return len(self.status)

    def row(self, i: int) -> dict[str, int | float | bool | str | None]:
        """The values of row i by name; None is null."""
        return {name: column[i] for name, column in zip(self.names, self.features, strict=True)}

    def matrix(self) -> npt.NDArray[np.float64]:
        """float64[n, features]: null and strings are NaN, booleans 0 and 1."""
        out = np.full((len(self), len(self.features)), np.nan)
        for place, column in enumerate(self.features):
            if column.kind is not Kind.STRING:
                out[column.valid, place] = column.values[column.valid]
        return out


def new_outputs(plan: Plan, n: int) -> Outputs:
    shape = (n, len(plan.names))
    return Outputs(
        np.zeros(n, np.uint8),
        np.zeros(n, np.int64),
        np.zeros(shape, np.int64),
        np.zeros(shape, np.float64),
        np.zeros(shape, np.int64),
        np.zeros(shape, np.bool_),
    )


def values_of(plan: Plan, outputs: Outputs, src: npt.NDArray[np.uint8]) -> Values:
    """Columns from what compiled code left; `src` holds the strings."""
    features = []
    for place, kind in enumerate(plan.kinds):
        function = plan.view.aggregations[place].function
        integers, valid = outputs.integers[:, place], outputs.valid[:, place]
        if kind is Kind.STRING:
            features.append(Column(kind, _strings(src, integers, outputs.lengths[:, place], valid), valid))
        elif kind is Kind.FLOAT:
            computed = function in _COMPUTED
            features.append(Column(kind, outputs.floats[:, place] if computed else keys_to_floats(integers), valid))
        else:
            features.append(Column(kind, integers != 0 if kind is Kind.BOOL else integers, valid))
    return Values(outputs.status, outputs.newest, plan.names, tuple(features))


def _strings(
    src: npt.NDArray[np.uint8],
    starts: npt.NDArray[np.int64],
    lengths: npt.NDArray[np.int64],
    valid: npt.NDArray[np.bool_],
) -> StringArray:
    lengths = np.where(valid, lengths, 0)
    offsets = np.zeros(len(starts) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    data = src.data
    joined = b"".join(data[a : a + n] for a, n in zip(starts.tolist(), lengths.tolist(), strict=True))
    return StringArray(np.frombuffer(joined, np.uint8), offsets)
