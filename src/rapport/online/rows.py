"""What an online read gives: one row of features per customer, ready for models."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rapport.windows.view import Kind

__all__ = ["EXPIRED", "MISSING", "PRESENT", "AsOf", "Details", "FeatureRows", "FeatureValue"]

PRESENT, MISSING, EXPIRED = "present", "missing", "expired"

FeatureValue = int | float | str | bool | None
AsOf: TypeAlias = int | Sequence[int]
"""The time of all customers, or of each: microseconds UTC."""


@dataclass(frozen=True, slots=True)
class Details:
    """What a read says beside the numbers; the attributes are those of FeatureRows."""

    strings: dict[str, tuple[str | None, ...]]
    status: dict[str, tuple[str, ...]]
    newest_us: dict[str, NDArray[np.int64]]
    damaged: dict[str, tuple[int, ...]]


class FeatureRows:
    """Features of n customers, in the order asked for. What a model does not need is made when it is first looked at.

    Attributes:
        names: F full names, `view__feature`, in the service's order.
        kinds: the kind of each feature.
        vector: float64[n, F]; NaN where null and in the columns of strings, booleans 0 or 1, integers exact to 2**53,
            decimals to the nearest double.
        strings: full name of each string feature to n texts, None where null.
        status: view to n of "present", "missing" (nothing is known) and "expired" (older than the view's ttl).
        newest_us: view to int64[n]: time of the newest event, microseconds UTC; 0 where missing.
        damaged: view to the indices of rows that are stored but unreadable; they count as missing.
    """

    __slots__ = ("_details", "_make_details", "kinds", "names", "vector")

    def __init__(
        self,
        names: tuple[str, ...],
        kinds: tuple[Kind, ...],
        vector: NDArray[np.float64],
        details: Callable[[], Details],
    ) -> None:
        self.names = names
        self.kinds = kinds
        self.vector = vector
        self._make_details = details
        self._details: Details | None = None

    def __len__(self) -> int:
        return len(self.vector)

    @property
    def strings(self) -> Mapping[str, tuple[str | None, ...]]:
        return self._look().strings

    @property
    def status(self) -> Mapping[str, tuple[str, ...]]:
        return self._look().status

    @property
    def newest_us(self) -> Mapping[str, NDArray[np.int64]]:
        return self._look().newest_us

    @property
    def damaged(self) -> Mapping[str, tuple[int, ...]]:
        return self._look().damaged

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

        def details() -> Details:
            strings = {name: texts for name, texts in self.strings.items() if name in names}
            return replace(self._look(), strings=strings)

        return FeatureRows(tuple(names), tuple(self.kinds[at] for at in picked), self.vector[:, picked], details)

    def row(self, index: int) -> dict[str, FeatureValue]:
        """One customer's features as Python values, by full name."""
        return {
            name: self.strings[name][index] if kind is Kind.STRING else _python(kind, float(value))
            for name, kind, value in zip(self.names, self.kinds, self.vector[index], strict=True)
        }

    def _look(self) -> Details:
        if self._details is None:
            self._details = self._make_details()
        return self._details


def _python(kind: Kind, value: float) -> FeatureValue:
    if math.isnan(value):
        return None
    if kind is Kind.INT:
        return int(value)
    return bool(value) if kind is Kind.BOOL else value
