"""One row judged by a tree ensemble in one compiled call: its probability, what each feature contributed, and which
features contributed most.

The probability has the very bits that the model's runtime gives. Both add the leaves of a row in 32 bits, tree by tree:
XGBoost from the base score on, ONNX Runtime from 0 on and the base score at the end; and each has its own form of the
logistic function. Whether they are equal is tried when a model is loaded; one that differs is asked itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from rapport.models.contributions import ShapleyTables, add_leaves

__all__ = ["LEAST", "PLACES", "TOP", "CompiledJudge", "Judged", "judged"]

PLACES = 4
"""Decimals of contributions, in log-odds."""
TOP = 3
LEAST = 0.01
"""What a feature must contribute to be among the TOP."""
_SHIFT = 10.0**PLACES
_PROBABILITY, _UNSURE, _MOST = range(3)
"""Places behind the contributions: the probability, whether rounding is left to Python, the TOP features."""
_TRIED = 64
_HALF_WAY = 1e-6


class Judged(NamedTuple):
    """What a model says of one row.

    Attributes:
        probability: as the model's runtime gives it.
        contributions: of each feature in log-odds, to PLACES decimals.
        top: the features that contributed most either way, at least LEAST, greatest first: TOP of them at most.
    """

    probability: float
    contributions: list[float]
    top: list[int]


def judged(probability: float, contributions: Sequence[float]) -> Judged:
    """The same from exact contributions."""
    order = sorted(range(len(contributions)), key=lambda feature: -abs(contributions[feature]))
    top = [feature for feature in order[:TOP] if abs(contributions[feature]) >= LEAST]
    return Judged(probability, [round(value, PLACES) for value in contributions], top)


class CompiledJudge:
    """Judges rows as one runtime would.

    Args:
        model: XGBoost's JSON model.
        tables: of its trees.
        onnx: whether it is ONNX Runtime that scores.

    Raises:
        ValueError: the model is not one of boosted trees for a probability.
    """

    def __init__(self, model: Mapping[str, Any], tables: ShapleyTables, *, onnx: bool) -> None:
        learner = model["learner"]
        kind = learner["gradient_booster"]["name"], learner["objective"]["name"]
        if kind != ("gbtree", "binary:logistic"):
            raise ValueError(f"a model of {' and '.join(kind)} is not compiled")
        share = np.float32(learner["learner_model_param"]["base_score"].strip("[]"))
        self._base = np.float32(-np.log(np.float32(1) / share - np.float32(1)))
        self._tables = tables
        self._onnx = onnx

    def judge(self, vector: NDArray[np.float64], picks: NDArray[np.int64]) -> Judged:
        """The row of `vector` whose features are at `picks`; NaN is missing."""
        width = len(picks)
        out = np.empty(width + _MOST + TOP)
        _judge(vector, picks, self._base, self._onnx, *self._tables.leaves, out)
        found = out.tolist()
        if found[width + _UNSURE]:
            return judged(found[width], self._tables.values(vector[picks]).tolist())
        top = [int(feature) for feature in found[width + _MOST :] if feature >= 0]
        return Judged(found[width], found[:width], top)

    def equals(self, predict: Callable[[NDArray[np.float32]], NDArray[np.float64]], width: int) -> bool:
        """Whether the runtime gives the same bits for rows of all kinds: with unknowns, and at the limits of trees."""
        random = np.random.default_rng(0)
        leaves = self._tables.leaves
        limits = np.concatenate([leaves.low, leaves.high, [0.0]])
        limits = limits[np.isfinite(limits)].astype(np.float32)
        rows = random.choice(limits, (_TRIED, width)) + random.choice([0.0, 0.0, 1.0, -1.0], (_TRIED, width))
        rows[random.random(rows.shape) < 0.25] = np.nan
        rows = np.vstack([rows, np.full((1, width), np.nan), np.zeros((1, width))]).astype(np.float32)
        picks = np.arange(width)
        ours = [self.judge(row, picks).probability for row in rows.astype(np.float64)]
        theirs: list[float] = predict(rows).tolist()
        return ours == theirs


@numba.njit(cache=True)
def round_to_places(value):  # type: ignore[no-untyped-def]
    """A value to PLACES decimals as Python rounds it, by the number's exact decimal value; and whether it is so close
    to half-way that Python must be asked."""
    scaled = value * _SHIFT
    return np.rint(scaled) / _SHIFT, abs(scaled - math.floor(scaled) - 0.5) < _HALF_WAY


@numba.njit(cache=True)
def _judge(vector, picks, base, onnx, scores, ends, features, low, high, missing, tables, table, out):  # type: ignore[no-untyped-def]
    """Fill `out`: contributions, probability, whether rounding is unsure, and the top features (-1: none)."""
    width = len(picks)
    row, total = np.empty(width, np.float32), np.zeros(width)
    for feature in range(width):
        row[feature] = vector[picks[feature]]
    start = np.float32(0) if onnx else base
    margin = add_leaves(row, start, scores, ends, features, low, high, missing, tables, table, total)
    one = np.float32(1)
    if onnx:
        margin += base
        part = one / (one + math.exp(-abs(margin)))
        out[width] = one - part if margin < 0 else part
    else:
        out[width] = one / (math.exp(-margin) + one)
    out[width + 1] = 0.0
    for place in range(TOP):
        most = -1
        for feature in range(width):
            is_taken = False
            for taken in range(place):
                is_taken |= out[width + 2 + taken] == feature
            if not is_taken and (most < 0 or abs(total[feature]) > abs(total[most])):
                most = feature
        out[width + 2 + place] = most if most >= 0 and abs(total[most]) >= LEAST else -1
    for feature in range(width):
        out[feature], is_unsure = round_to_places(total[feature])
        if is_unsure:
            out[width + 1] = 1.0
