"""What an online read gives: one row of features per customer, ready for models."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rapport.windows.view import Kind

__all__ = ["EXPIRED", "MISSING", "PRESENT", "FeatureRows", "FeatureValue"]

PRESENT, MISSING, EXPIRED = "present", "missing", "expired"

FeatureValue = int | float | str | bool | None


@dataclass(frozen=True, slots=True)
class FeatureRows:
    """Features of n customers, in the order asked for.

    Attributes:
        names: F full names, `view__feature`, in the service's order.
        kinds: the kind of each feature.
        vector: float64[n, F]; NaN where null and in the columns of strings, booleans 0 or 1, integers exact to 2**53.
        strings: full name of each string feature to n texts, None where null.
        status: view to n of "present", "missing" (nothing is known) and "expired" (older than the view's ttl).
        newest_us: view to int64[n]: time of the newest event, microseconds UTC; 0 where missing.
        damaged: view to the indices of rows that are stored but unreadable; they count as missing.
    """

    names: tuple[str, ...]
    kinds: tuple[Kind, ...]
    vector: NDArray[np.float64]
    strings: Mapping[str, tuple[str | None, ...]]
    status: Mapping[str, tuple[str, ...]]
    newest_us: Mapping[str, NDArray[np.int64]]
    damaged: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.vector)

    def subset(self, names: Sequence[str]) -> FeatureRows:
        """The same rows with only the features in `names`, in that order; views are kept whole.

        Raises:
            KeyError: a name that was not read.
        """
        places = {name: at for at, name in enumerate(self.names)}
        unknown = [name for name in names if name not in places]
        if unknown:
            raise KeyError(f"features {', '.join(unknown)} were not read; this read has {', '.join(self.names)}")
        picked = [places[name] for name in names]
        return FeatureRows(
            names=tuple(names),
            kinds=tuple(self.kinds[at] for at in picked),
            vector=self.vector[:, picked],
            strings={name: texts for name, texts in self.strings.items() if name in names},
            status=self.status,
            newest_us=self.newest_us,
            damaged=self.damaged,
        )

    def row(self, index: int) -> dict[str, FeatureValue]:
        """One customer's features as Python values, by full name."""
        return {
            name: self.strings[name][index] if kind is Kind.STRING else _python(kind, float(value))
            for name, kind, value in zip(self.names, self.kinds, self.vector[index], strict=True)
        }


def _python(kind: Kind, value: float) -> FeatureValue:
    if math.isnan(value):
        return None
    if kind is Kind.INT:
        return int(value)
    return bool(value) if kind is Kind.BOOL else value
