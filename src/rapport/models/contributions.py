"""Exact Shapley values of a tree ensemble for one row, and its score, by table.

They are the path-dependent values of Lundberg et al. 2018 ("Consistent Individualized Feature Attribution for Tree
Ensembles"), as XGBoost's pred_contribs gives them. For one leaf with value v, whose path asks about d features: let
o[i] be whether the row passes everything that the path asks of feature i, and z[i] the share of training weight that
does. Then a coalition S is worth v * prod(o[i] for i in S) * prod(z[i] for i not in S), so that all d Shapley values
depend on the d bits o alone. They are computed once per leaf and pattern; a row then costs comparisons and look-ups.
The leaf of a tree that a row reaches is the one whose path it passes wholly: the score falls out of the same walk.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import factorial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rapport.models.kernels import add_leaves

__all__ = ["MAX_PATH_FEATURES", "Leaf", "ShapleyTables", "ends_of", "leaves_of"]

MAX_PATH_FEATURES = 6
"""A table has d * 2^d numbers per leaf: deeper trees would not fit the cache."""


@dataclass(frozen=True, slots=True)
class _Condition:
    """What a path asks of one feature: low <= x < high, or x missing when `missing`; `share` of the weight passes.
    -inf and NaN: no limit, so that an infinite x passes, too."""

    low: float
    high: float
    missing: bool
    share: float


@dataclass(frozen=True, slots=True)
class Leaf:
    """A leaf's value, what its path asks of each feature, and the path: inner nodes, and whether it goes left there."""

    value: float
    conditions: dict[int, _Condition]
    path: tuple[tuple[int, bool], ...]


class _Leaves(NamedTuple):
    """All leaves, tree by tree. Leaf n asks conditions ends[n] to ends[n + 1]; the Shapley values of its pattern p
    begin at tables[n] + p * (number of its conditions)."""

    scores: NDArray[np.float32]
    ends: NDArray[np.int32]
    features: NDArray[np.int32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    missing: NDArray[np.bool_]
    tables: NDArray[np.int32]
    table: NDArray[np.float64]


class ShapleyTables:
    """Shapley values of a model's trees.

    Args:
        trees: the trees of XGBoost's JSON model (`learner.gradient_booster.model.trees`).
        features: number of the model's features.

    Attributes:
        features: number of the model's features.
        leaves: what `add_leaves` takes.

    Raises:
        ValueError: a path asks about more than MAX_PATH_FEATURES features.
    """

    def __init__(self, trees: Sequence[Mapping[str, Any]], features: int) -> None:
        leaves = [leaf for tree in trees for leaf in leaves_of(tree)]
        most = max([len(leaf.conditions) for leaf in leaves], default=0)
        if most > MAX_PATH_FEATURES:
            raise ValueError(f"a path asks about {most} features; at most {MAX_PATH_FEATURES} are tabulated")
        self.features = features
        self.leaves = _tabulated(leaves)

    def of_leaf(self, number: int) -> NDArray[np.float64]:
        """The values of one leaf, float64[2^d patterns, d features]; leaves count on from tree to tree."""
        leaves = self.leaves
        begin, size = leaves.tables[number], int(leaves.ends[number + 1] - leaves.ends[number])
        return leaves.table[begin : begin + (size << size)].reshape(1 << size, size)

    def values(self, row: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Contribution of each feature in log-odds: float[F] in, NaN for missing; float64[F] out."""
        total = np.zeros(self.features)
        add_leaves(np.ascontiguousarray(row, dtype=np.float32), np.float32(0), *self.leaves, total)
        return total


def leaves_of(tree: Mapping[str, Any]) -> Iterator[Leaf]:
    """The leaves of one of XGBoost's trees, in an order of their own."""
    left, right, weight = tree["left_children"], tree["right_children"], tree["sum_hessian"]
    stack: list[tuple[int, dict[int, _Condition], tuple[tuple[int, bool], ...]]] = [(0, {}, ())]
    while stack:
        node, asked, path = stack.pop()
        if left[node] < 0:
            yield Leaf(tree["split_conditions"][node], asked, path)
            continue
        feature, threshold = tree["split_indices"][node], tree["split_conditions"][node]
        known = asked.get(feature, _Condition(-np.inf, np.nan, True, 1.0))
        for child, goes_left in ((left[node], True), (right[node], False)):
            condition = _Condition(
                known.low if goes_left else max(known.low, threshold),
                threshold if goes_left and not known.high <= threshold else known.high,
                known.missing and bool(tree["default_left"][node]) is goes_left,
                known.share * weight[child] / weight[node],
            )
            stack.append((child, {**asked, feature: condition}, (*path, (node, goes_left))))


def ends_of(sizes: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int32]:
    """Where each of some runs begins that lie one after the other, and the end of the last: int32[n + 1]."""
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int32)


def _tabulated(leaves: Sequence[Leaf]) -> _Leaves:
    asked = [condition for leaf in leaves for condition in leaf.conditions.values()]
    sizes = np.array([len(leaf.conditions) for leaf in leaves], dtype=np.int64)
    numbers = sizes << sizes
    tables = np.concatenate([[0], np.cumsum(numbers)])
    return _Leaves(
        scores=np.array([leaf.value for leaf in leaves], dtype=np.float32),
        ends=ends_of(sizes),
        features=np.array([feature for leaf in leaves for feature in leaf.conditions], dtype=np.int32),
        low=np.array([condition.low for condition in asked], dtype=np.float32),
        high=np.array([condition.high for condition in asked], dtype=np.float32),
        missing=np.array([condition.missing for condition in asked], dtype=np.bool_),
        tables=tables[:-1].astype(np.int32),
        table=_table_of_all(leaves, tables),
    )


def _table_of_all(leaves: Sequence[Leaf], tables: NDArray[np.int64]) -> NDArray[np.float64]:
    """The values of all leaves, those of leaf n from tables[n] on."""
    by_size: dict[int, list[int]] = defaultdict(list)
    for number, leaf in enumerate(leaves):
        by_size[len(leaf.conditions)].append(number)
    table = np.empty(int(tables[-1]))
    for size, numbers in by_size.items():
        share = np.array([[one.share for one in leaves[number].conditions.values()] for number in numbers])
        found = _table(np.array([leaves[number].value for number in numbers]), share.reshape(-1, size))
        places = tables[numbers][:, np.newaxis] + np.arange(size << size)
        table[places] = found.reshape(len(numbers), -1)
    return table


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
