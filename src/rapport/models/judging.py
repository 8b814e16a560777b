"""One row judged by a tree ensemble in one compiled call: its probability, what each feature contributed, and which
features contributed most.

The probability has the very bits that the model's runtime gives. Both add the leaves of a row in 32 bits, tree by tree:
XGBoost from the base score on, ONNX Runtime from 0 on and the base score at the end; and each has its own form of the
logistic function. Whether they are equal is tried when a model is loaded; one that differs is asked itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rapport.models.contributions import ShapleyTables
from rapport.models.kernels import LEAST, MOST, PLACES, PROBABILITY, TOP, UNSURE, judge_leaves, judge_trees
from rapport.models.whole_trees import tabulate

__all__ = ["CompiledJudge", "Judged", "judged"]

_TRIED = 64


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
        self._whole = tabulate(learner["gradient_booster"]["model"]["trees"], tables)
        self._onnx = onnx
        self._row, self._total = np.empty(tables.features, np.float32), np.empty(tables.features)

    def judge(self, vector: NDArray[np.float64], picks: NDArray[np.int64]) -> Judged:
        """The row of `vector` whose features are at `picks`; NaN is missing."""
        width = len(picks)
        out = np.empty(width + MOST + TOP)
        # what is between is every thread's: the compiled code keeps the interpreter's lock
        scratch = self._row, self._total
        if self._whole is not None:
            judge_trees(vector, picks, self._base, self._onnx, *self._whole, *scratch, out)
        else:
            judge_leaves(vector, picks, self._base, self._onnx, *self._tables.leaves, *scratch, out)
        found = out.tolist()
        if found[width + UNSURE]:
            return judged(found[width + PROBABILITY], self._tables.values(vector[picks]).tolist())
        top = [int(feature) for feature in found[width + MOST :] if feature >= 0]
        return Judged(found[width + PROBABILITY], found[:width], top)

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
