"""What a read gives: status and feature values of n rows."""

from __future__ import annotations

from collections import namedtuple

import numpy as np
import numpy.typing as npt

from rapport.windows.columns import Column, Scalar, StringArray
from rapport.windows.plan import Plan
from rapport.windows.view import Kind

__all__ = ["EXPIRED", "MISSING", "PRESENT", "STATUS_NAMES", "Values"]

PRESENT, MISSING, EXPIRED = 0, 1, 2
STATUS_NAMES = ("present", "missing", "expired")

Outputs = namedtuple("Outputs", ["status", "newest", "integers", "floats", "lengths", "valid"])
"""Where compiled code leaves values: [n] the first two, [n, features] the others. Numbers are in `floats`, and integers
and booleans in `integers` too; a string is its place in the byte buffer, in `integers`, and its length."""


class Values:
    """Feature values of n rows. Columns are made when they are first looked at.

    Attributes:
        status: uint8[n]: PRESENT; MISSING, no event at or before as_of; EXPIRED, none within the ttl. All features of a
            row that is not present are null.
        newest_us: int64[n], time of the newest event at or before as_of; 0 for a missing row.
        names: the features, in declared order.
    """

    __slots__ = ("_features", "_outputs", "_plan", "_src", "names", "newest_us", "status")

    def __init__(self, plan: Plan, outputs: Outputs, src: npt.NDArray[np.uint8]) -> None:
        self.status: npt.NDArray[np.uint8] = outputs.status
        self.newest_us: npt.NDArray[np.int64] = outputs.newest
        self.names = plan.names
        self._plan = plan
        self._outputs = outputs
        self._src = src
        self._features: tuple[Column, ...] | None = None

    def __len__(self) -> int:
        return len(self.status)

    @property
    def features(self) -> tuple[Column, ...]:
        """A Column of n values for each feature."""
        if self._features is None:
            self._features = tuple(self._column(place) for place in range(len(self.names)))
        return self._features

    def row(self, i: int) -> dict[str, Scalar | None]:
        """The values of row i by name; None is null."""
        return {name: column[i] for name, column in zip(self.names, self.features, strict=True)}

    def matrix(self) -> npt.NDArray[np.float64]:
        """float64[n, features]: null and strings are NaN, booleans 0 and 1, decimals rounded. Not a copy."""
        floats: npt.NDArray[np.float64] = self._outputs.floats
        return floats

    def _column(self, place: int) -> Column:
        kind, integers, valid = self._plan.kinds[place], self._outputs.integers[:, place], self._outputs.valid[:, place]
        if kind is Kind.STRING:
            return Column(kind, _strings(self._src, integers, self._outputs.lengths[:, place], valid), valid)
        if kind is Kind.FLOAT:
            return Column(kind, self._outputs.floats[:, place], valid)
        if kind is Kind.DECIMAL:
            return Column(kind, integers, valid, self._plan.scales[place])
        return Column(kind, integers != 0 if kind is Kind.BOOL else integers, valid)


def new_outputs(plan: Plan, n: int) -> Outputs:
    shape = (n, len(plan.names))
    return Outputs(
        np.zeros(n, np.uint8),
        np.zeros(n, np.int64),
        np.zeros(shape, np.int64),
        np.full(shape, np.nan),
        np.zeros(shape, np.int64),
        np.zeros(shape, np.bool_),
    )


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
