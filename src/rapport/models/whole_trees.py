"""Scores and Shapley values of shallow trees, a tree at a time.

A tree asks its row a few questions, one at each of its inner nodes. All answers together are a pattern, and on the
pattern alone depend the leaf that the row reaches and what each feature contributes. So these are tabulated for each
pattern of each tree: a row costs its answers and one look-up a tree, a third of what it costs leaf by leaf
(rapport.models.contributions).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rapport.models.contributions import Leaf, ShapleyTables, ends_of, leaves_of

__all__ = ["MAX_NODES", "WholeTrees", "tabulate"]

MAX_NODES = 7
"""A table has 2^nodes rows: a tree of depth 3 has 7 inner nodes."""


class WholeTrees(NamedTuple):
    """All trees. Tree n asks at the nodes nodes[n] to nodes[n + 1], and its features are slots[n] to slots[n + 1]; what
    its pattern p gives begins at scores[n] + p of `score` and tables[n] + p * (number of its features) of `table`."""

    nodes: NDArray[np.int32]
    features: NDArray[np.int32]
    limits: NDArray[np.float32]
    missing: NDArray[np.bool_]
    slots: NDArray[np.int32]
    slot_features: NDArray[np.int32]
    scores: NDArray[np.int32]
    score: NDArray[np.float32]
    tables: NDArray[np.int32]
    table: NDArray[np.float64]


def tabulate(trees: Sequence[Mapping[str, Any]], tables: ShapleyTables) -> WholeTrees | None:
    """The tables of XGBoost's trees; None when one has more than MAX_NODES inner nodes.

    Args:
        tables: of their leaves.
    """
    made: list[_Tree] = []
    leaves = 0
    for tree in trees:
        inner = [node for node, left in enumerate(tree["left_children"]) if left >= 0]
        if len(inner) > MAX_NODES:
            return None
        found = list(leaves_of(tree))
        made.append(_of_tree(tree, inner, [(leaf, tables.of_leaf(leaves + n)) for n, leaf in enumerate(found)]))
        leaves += len(found)
    return WholeTrees(
        nodes=ends_of([len(one.limits) for one in made]),
        features=np.array([feature for one in made for feature in one.asked], np.int32),
        limits=np.array([limit for one in made for limit in one.limits], np.float32),
        missing=np.array([goes for one in made for goes in one.missing], np.bool_),
        slots=ends_of([len(one.features) for one in made]),
        slot_features=np.array([feature for one in made for feature in one.features], np.int32),
        scores=ends_of([len(one.score) for one in made]),
        score=np.concatenate([np.empty(0, np.float32), *(one.score for one in made)]),
        tables=ends_of([one.table.size for one in made]),
        table=np.concatenate([np.empty(0), *(one.table.ravel() for one in made)]),
    )


class _Tree(NamedTuple):
    """One tree: at each inner node the feature, the limit and whether a missing value goes left; the features that are
    asked about; and of each pattern the score, and the features' values."""

    asked: list[int]
    limits: list[float]
    missing: list[bool]
    features: list[int]
    score: NDArray[np.float32]
    table: NDArray[np.float64]


def _of_tree(
    tree: Mapping[str, Any], inner: Sequence[int], leaves: Sequence[tuple[Leaf, NDArray[np.float64]]]
) -> _Tree:
    """Bit n of a pattern: at inner[n] to the left. Patterns that no row has are filled, too."""
    asked = [tree["split_indices"][node] for node in inner]
    features = sorted(set(asked))
    patterns = np.arange(1 << len(inner))
    left = {node: (patterns >> bit & 1).astype(bool) for bit, node in enumerate(inner)}
    score = np.zeros(len(patterns), np.float32)
    table = np.zeros((len(patterns), len(features)))
    for leaf, values in leaves:
        passed = {feature: np.ones(len(patterns), bool) for feature in leaf.conditions}
        for node, goes_left in leaf.path:
            passed[tree["split_indices"][node]] &= left[node] == goes_left
        own = np.zeros(len(patterns), np.int64)
        for bit, one in enumerate(passed.values()):
            own |= one.astype(np.int64) << bit
        score[own == (1 << len(passed)) - 1] = leaf.value
        table[:, [features.index(feature) for feature in passed]] += values[own]
    limits = [tree["split_conditions"][node] for node in inner]
    return _Tree(asked, limits, [bool(tree["default_left"][node]) for node in inner], features, score, table)
