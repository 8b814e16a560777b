"""The tables give what XGBoost's own pred_contribs gives, and what the definition of a Shapley value gives."""

from __future__ import annotations

import itertools
import json
from math import factorial
from typing import Any

import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport.models.contributions import ShapleyTables


def _booster(seed: int, depth: int, width: int, rounds: int) -> tuple[Any, np.ndarray]:
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(600, width)).round(1)
    matrix[random.random(matrix.shape) < 0.25] = np.nan
    label = (np.nan_to_num(matrix).sum(axis=1) + random.normal(size=600) > 0).astype(float)
    params = {"objective": "binary:logistic", "max_depth": depth, "nthread": 1}
    return xgboost.train(params, xgboost.DMatrix(matrix, label), rounds), matrix


def _trees(booster: Any) -> list[dict[str, Any]]:
    trees: list[dict[str, Any]] = json.loads(booster.save_raw("json"))["learner"]["gradient_booster"]["model"]["trees"]
    return trees


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1_000), depth=st.integers(1, 5), width=st.integers(1, 8))
def test_tables_equal_xgboost(seed: int, depth: int, width: int) -> None:
    booster, matrix = _booster(seed, depth, width, rounds=8)
    tables = ShapleyTables(_trees(booster), width)
    expected = booster.predict(xgboost.DMatrix(matrix[:30]), pred_contribs=True)[:, :-1]
    np.testing.assert_allclose([tables.values(row) for row in matrix[:30]], expected, atol=1e-5)


def _worth(tree: dict[str, Any], row: np.ndarray, known: set[int], node: int = 0) -> float:
    """Expected leaf value when only the features in `known` are known."""
    left, right = tree["left_children"][node], tree["right_children"][node]
    if left < 0:
        return float(tree["split_conditions"][node])
    value = row[tree["split_indices"][node]]
    if tree["split_indices"][node] in known:
        goes_left = bool(tree["default_left"][node]) if np.isnan(value) else value < tree["split_conditions"][node]
        return _worth(tree, row, known, left if goes_left else right)
    weight = tree["sum_hessian"]
    share = weight[left] / weight[node]
    return share * _worth(tree, row, known, left) + (1 - share) * _worth(tree, row, known, right)


def test_tables_equal_the_definition() -> None:
    width = 4
    booster, matrix = _booster(5, 4, width, rounds=3)
    trees = _trees(booster)
    tables = ShapleyTables(trees, width)
    for row in matrix[:5].astype(np.float32):
        expected = np.zeros(width)
        for feature in range(width):
            others = [other for other in range(width) if other != feature]
            for size in range(width):
                weight = factorial(size) * factorial(width - size - 1) / factorial(width)
                for coalition in itertools.combinations(others, size):
                    for tree in trees:
                        gain = _worth(tree, row, {*coalition, feature}) - _worth(tree, row, set(coalition))
                        expected[feature] += weight * gain
        np.testing.assert_allclose(tables.values(row), expected, atol=1e-5)


def test_deeper_paths_are_not_tabulated() -> None:
    booster, _ = _booster(1, 9, 9, rounds=3)
    with pytest.raises(ValueError, match="at most 6"):
        ShapleyTables(_trees(booster), 9)
