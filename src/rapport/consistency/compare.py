"""Logged values against recomputed ones, feature by feature: pure, over values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rapport.decisions.record import FeatureValue
from rapport.windows import Column, Kind

__all__ = ["MATCH", "MISMATCH", "MISSING", "TOLERANCE", "Compared", "compare", "numbers_of"]

MATCH, MISMATCH, MISSING = 0, 1, 2
TOLERANCE = 1e-9
"""Largest relative difference at which floats, and decimals, which a log rounds, count as equal; all else must be the
same."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Compared:
    """n values compared.

    Attributes:
        outcomes: uint8[n]: MATCH; MISMATCH; MISSING, where one side has a value and the other has none.
        differences: float64[n], logged minus recomputed of numbers that mismatch, else NaN.
    """

    outcomes: npt.NDArray[np.uint8]
    differences: Floats


def compare(logged: Sequence[FeatureValue], found: Column) -> Compared:
    """Compare n logged values of a feature with n recomputed ones.

    A decision logs all numbers as floats; one that is not finite counts as null, as JSON has it.
    """
    if found.kind is Kind.STRING:
        return _texts(logged, found)
    ours, theirs = numbers_of(logged), _floats(found)
    null = np.fromiter((value is None for value in logged), np.bool_, len(logged)), np.isnan(theirs)
    with np.errstate(invalid="ignore"):
        differences = ours - theirs
        rounded = found.kind in (Kind.FLOAT, Kind.DECIMAL)
        slack = TOLERANCE * np.maximum(np.abs(ours), np.abs(theirs)) if rounded else 0.0
        same = np.abs(differences) <= slack
    outcomes = np.where(same | (null[0] & null[1]), MATCH, np.where(null[0] | null[1], MISSING, MISMATCH))
    return Compared(outcomes.astype(np.uint8), np.where(outcomes == MISMATCH, differences, np.nan))


def numbers_of(logged: Sequence[FeatureValue]) -> Floats:
    """float64[n] of logged values; what is no number (null, a text) is NaN."""
    return np.array([np.nan if value is None or isinstance(value, str) else value for value in logged], np.float64)


def _floats(column: Column) -> Floats:
    values = np.where(column.valid, np.asarray(column.values, np.float64) / 10**column.scale, np.nan)
    return np.where(np.isfinite(values), values, np.nan)


def _texts(logged: Sequence[FeatureValue], found: Column) -> Compared:
    pairs = zip(logged, found.to_list(), strict=True)
    outcomes = [MATCH if a == b else MISSING if a is None or b is None else MISMATCH for a, b in pairs]
    return Compared(np.array(outcomes, np.uint8), np.full(len(logged), np.nan))
