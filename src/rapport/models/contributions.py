"""Exact Shapley values of a tree ensemble for one row, by table.

They are the path-dependent values of Lundberg et al. 2018 ("Consistent Individualized Feature Attribution for Tree
Ensembles"), as XGBoost's pred_contribs gives them. For one leaf with value v, whose path asks about d features: let
o[i] be whether the row passes everything that the path asks of feature i, and z[i] the share of training weight that
does. Then a coalition S is worth v * prod(o[i] for i in S) * prod(z[i] for i not in S), so that all d Shapley values
depend on the d bits o alone. They are computed once per leaf and pattern; a row then costs comparisons and look-ups.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import factorial
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAX_PATH_FEATURES", "ShapleyTables"]

MAX_PATH_FEATURES = 6
"""A table has d * 2^d numbers per leaf: deeper trees would not fit the cache."""


@dataclass(frozen=True, slots=True)
class _Condition:
    """What a path asks of one feature: low <= x < high, or x missing when `missing`; `share` of the weight passes."""

    low: float
    high: float
    missing: bool
    share: float


@dataclass(frozen=True, slots=True)
class _Leaf:
    value: float
    conditions: dict[int, _Condition]


@dataclass(frozen=True, slots=True)
class _Group:
    """The leaves whose paths ask about the same number d of features, as arrays [leaves, d]."""

    features: NDArray[np.intp]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    missing: NDArray[np.bool_]
    bits: NDArray[np.intp]
    table: NDArray[np.float64]
    rows: NDArray[np.intp]

    def values(self, row: NDArray[np.float32]) -> NDArray[np.float64]:
        asked = row[self.features]
        passed = (asked >= self.low) & (asked < self.high) | (np.isnan(asked) & self.missing)
        found: NDArray[np.float64] = self.table[self.rows, passed @ self.bits]
        return found


class ShapleyTables:
    """Shapley values of a model's trees.

    Args:
        trees: the trees of XGBoost's JSON model (`learner.gradient_booster.model.trees`).
        features: number of the model's features.

    Raises:
        ValueError: a path asks about more than MAX_PATH_FEATURES features.
    """

    def __init__(self, trees: Sequence[Mapping[str, Any]], features: int) -> None:
        by_size: dict[int, list[_Leaf]] = defaultdict(list)
        for tree in trees:
            for leaf in _leaves(tree):
                by_size[len(leaf.conditions)].append(leaf)
        if max(by_size, default=0) > MAX_PATH_FEATURES:
            raise ValueError(f"a path asks about {max(by_size)} features; at most {MAX_PATH_FEATURES} are tabulated")
        self._features = features
        self._groups = [_group(leaves, size) for size, leaves in sorted(by_size.items()) if size]

    def values(self, row: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Contribution of each feature in log-odds: float[F] in, NaN for missing; float64[F] out."""
        single = np.asarray(row, dtype=np.float32)
        total = np.zeros(self._features)
        for group in self._groups:
            found = group.values(single)
            total += np.bincount(group.features.ravel(), weights=found.ravel(), minlength=self._features)
        return total


def _leaves(tree: Mapping[str, Any]) -> Iterator[_Leaf]:
    left, right, weight = tree["left_children"], tree["right_children"], tree["sum_hessian"]
    stack: list[tuple[int, dict[int, _Condition]]] = [(0, {})]
    while stack:
        node, asked = stack.pop()
        if left[node] < 0:
            yield _Leaf(tree["split_conditions"][node], asked)
            continue
        feature, threshold = tree["split_indices"][node], tree["split_conditions"][node]
        known = asked.get(feature, _Condition(-np.inf, np.inf, True, 1.0))
        for child, goes_left in ((left[node], True), (right[node], False)):
            condition = _Condition(
                known.low if goes_left else max(known.low, threshold),
                min(known.high, threshold) if goes_left else known.high,
                known.missing and bool(tree["default_left"][node]) is goes_left,
                known.share * weight[child] / weight[node],
            )
            stack.append((child, {**asked, feature: condition}))


def _group(leaves: Sequence[_Leaf], size: int) -> _Group:
    conditions = [tuple(leaf.conditions.values()) for leaf in leaves]
    share = np.array([[c.share for c in path] for path in conditions])
    return _Group(
        features=np.array([tuple(leaf.conditions) for leaf in leaves], dtype=np.intp),
        low=np.array([[c.low for c in path] for path in conditions], dtype=np.float32),
        high=np.array([[c.high for c in path] for path in conditions], dtype=np.float32),
        missing=np.array([[c.missing for c in path] for path in conditions]),
        bits=np.left_shift(1, np.arange(size)),
        table=_table(np.array([leaf.value for leaf in leaves]), share),
        rows=np.arange(len(leaves)),
    )


def _table(value: NDArray[np.float64], share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shapley values [leaves, 2^d patterns, d features] of leaves with `value` [leaves] and `share` [leaves, d]."""
    leaves, size = share.shape
    weights = [factorial(s) * factorial(size - s - 1) / factorial(size) for s in range(size)]
    table = np.empty((leaves, 1 << size, size))
    for pattern in range(1 << size):
        for feature in range(size):
            # coefficient s: the worth of all coalitions of s others
            worth = np.zeros((size, leaves))
            worth[0] = 1.0
            for other in range(size):
                if other == feature:
                    continue
                kept = worth * share[:, other]
                if pattern >> other & 1:
                    kept[1:] += worth[:-1]
                worth = kept
            passed = pattern >> feature & 1
            table[:, pattern, feature] = value * (passed - share[:, feature]) * np.dot(weights, worth)
    return table
