"""Fit one XGBoost model: three shapes of tree tried by time-based cross-validation, rounds by early stopping."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapport.errors import ModelError
from rapport.models.scorer import FEATURE_TYPES
from training.dataset import Dataset
from training.metrics import auc, log_loss
from training.split import Split, expanding_folds

__all__ = ["SHAPES", "Fitted", "fit", "matrix_of"]

SHAPES: tuple[Mapping[str, float], ...] = (
    {"max_depth": 2, "min_child_weight": 5},
    {"max_depth": 3, "min_child_weight": 10},
    {"max_depth": 4, "min_child_weight": 20},
)
"""Deeper trees did not rank better on any data set tried, and their contributions could not be tabulated."""
_PARAMS: Mapping[str, Any] = {
    "objective": "binary:logistic",
    "eval_metric": "logloss",
    "tree_method": "hist",
    "max_bin": 128,
    "eta": 0.06,
    "subsample": 0.8,
    "colsample_bytree": 0.6,
    "reg_lambda": 5.0,
    "verbosity": 0,
}
_MAX_ROUNDS = 500
_PATIENCE = 25
_LEAST_ROWS = 100


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted model and how it came about.

    Attributes:
        booster: xgboost.Booster with feature names and types.
        params: what it was fitted with.
        rounds: number of trees.
        folds: per fold of the chosen shape: rows, train_rows, log_loss, auc, rounds.
    """

    booster: Any
    params: dict[str, Any]
    rounds: int
    folds: tuple[dict[str, float], ...]

    def predict(self, data: Dataset) -> NDArray[np.float64]:
        """Probabilities float64[n]."""
        found: NDArray[np.float64] = self.booster.predict(matrix_of(data)).astype(np.float64)
        return found


def fit(
    data: Dataset,
    *,
    horizon_us: int,
    folds: int,
    seed: int,
    threads: int,
    step: Callable[[float], None] = lambda share: None,
) -> Fitted:
    """Fit on all rows of `data`, with shape and rounds chosen by expanding folds within it.

    Args:
        step: told the share that is done, 0 to 1, never falling.

    Raises:
        ModelError: the history is too short for a single fold.
    """
    usable = [split for split in expanding_folds(data.as_of_us, folds, horizon_us) if _usable(data, split)]
    if not usable:
        days = (data.as_of_us[-1] - data.as_of_us[0]) / 86_400e6
        raise ModelError(
            f"{len(data)} decisions over {days:.1f} days leave no fold with {_LEAST_ROWS} complete labels before and "
            "after: wait for more history, or choose a shorter horizon"
        )
    base = {**_PARAMS, "seed": seed, "nthread": threads}
    tried: list[tuple[float, dict[str, Any], tuple[dict[str, float], ...]]] = []
    for number, shape in enumerate(SHAPES):
        params = {**base, **shape}
        results = tuple(_validate(data, split, params) for split in usable)
        tried.append((_mean(results, "log_loss"), params, results))
        step((number + 1) / (len(SHAPES) + 1))
    _, params, results = min(tried, key=lambda entry: entry[0])
    # the fit that follows has more rows than any fold: the folds with most say most about its rounds
    rounds = max(1, round(_mean(results, "rounds", weight="train_rows")))
    booster = _train(params, data, rounds)
    step(1.0)
    return Fitted(booster, params, rounds, results)


def matrix_of(data: Dataset) -> Any:
    """The rows as an xgboost.DMatrix with names and types."""
    import xgboost

    return xgboost.DMatrix(
        data.matrix.astype(np.float32),
        data.label,
        feature_names=list(data.names),
        feature_types=[FEATURE_TYPES[feature.kind] for feature in data.features],
        nthread=1,
    )


def _train(params: Mapping[str, Any], data: Dataset, rounds: int) -> Any:
    import xgboost

    return xgboost.train(dict(params), matrix_of(data), rounds)


def _validate(data: Dataset, split: Split, params: Mapping[str, Any]) -> dict[str, float]:
    import xgboost

    train, valid = data.take(split.train), data.take(split.valid)
    watched = matrix_of(valid)
    booster = xgboost.train(
        dict(params),
        matrix_of(train),
        _MAX_ROUNDS,
        evals=[(watched, "valid")],
        early_stopping_rounds=_PATIENCE,
        verbose_eval=False,
    )
    rounds = booster.best_iteration + 1
    scores = booster.predict(watched, iteration_range=(0, rounds)).astype(np.float64)
    return {
        "rows": float(len(valid)),
        "train_rows": float(len(train)),
        "log_loss": log_loss(valid.label, scores),
        "auc": auc(valid.label, scores),
        "rounds": float(rounds),
    }


def _usable(data: Dataset, split: Split) -> bool:
    both = all(0 < data.label[rows].sum() < len(rows) for rows in (split.train, split.valid) if len(rows))
    return min(len(split.train), len(split.valid)) >= _LEAST_ROWS and both


def _mean(results: Sequence[Mapping[str, float]], name: str, weight: str = "rows") -> float:
    """Mean over folds, weighted by their validation rows or another count."""
    return float(np.average([result[name] for result in results], weights=[result[weight] for result in results]))
