"""The compiled code that judges a row: its trees' leaves and contributions added up, and what comes of them.

All of it is in one file, because Numba's cache of compiled code looks at the function's own file only. It keeps the
interpreter's lock: it ends before another thread could do anything with it, and would then have to wait for it.
"""

from __future__ import annotations

import math

import numba
import numpy as np

__all__ = [
    "LEAST",
    "MOST",
    "PLACES",
    "PROBABILITY",
    "TOP",
    "UNSURE",
    "add_leaves",
    "judge_leaves",
    "judge_trees",
    "round_to_places",
]

PLACES = 4
"""Decimals of contributions, in log-odds."""
TOP = 3
LEAST = 0.01
"""What a feature must contribute to be among the TOP."""
PROBABILITY, UNSURE, MOST = range(3)
"""Places behind the contributions of what is filled: the probability, whether rounding is left to Python, the TOP
features."""
_SHIFT = 10.0**PLACES
_HALF_WAY = 1e-6


@numba.njit(cache=True)
def add_leaves(row, score, scores, ends, features, low, high, missing, tables, table, total):  # type: ignore[no-untyped-def]
    """Look each leaf's pattern up, and add its features' values to `total`: 200 trees take a tenth of the time that
    array operations take over them. Returns `score` with the leaves that were reached, added in the trees' order."""
    for leaf in range(len(tables)):
        begin, end = ends[leaf], ends[leaf + 1]
        pattern = 0
        for at in range(begin, end):
            value = row[features[at]]
            if (value >= low[at] and not value >= high[at]) or (value != value and missing[at]):
                pattern |= 1 << (at - begin)
        if pattern == (1 << (end - begin)) - 1:
            score += scores[leaf]
        found = tables[leaf] + pattern * (end - begin)
        for at in range(begin, end):
            total[features[at]] += table[found + at - begin]
    return score


@numba.njit(cache=True)
def add_trees(  # type: ignore[no-untyped-def]
    row, total_score, nodes, features, limits, missing, slots, slot_features, scores, score, tables, table, total
):
    """The same, tree by tree (rapport.models.whole_trees)."""
    for tree in range(len(nodes) - 1):
        first = nodes[tree]
        pattern = 0
        for at in range(first, nodes[tree + 1]):
            value = row[features[at]]
            goes_left = value < limits[at] or (value != value and missing[at])
            pattern |= goes_left << (at - first)
        total_score += score[scores[tree] + pattern]
        begin, end = slots[tree], slots[tree + 1]
        found = tables[tree] + pattern * (end - begin)
        for at in range(begin, end):
            total[slot_features[at]] += table[found + at - begin]
    return total_score


@numba.njit(cache=True)
def round_to_places(value):  # type: ignore[no-untyped-def]
    """A value to PLACES decimals as Python rounds it, by the number's exact decimal value; and whether it is so close
    to half-way that Python must be asked."""
    scaled = value * _SHIFT
    return np.rint(scaled) / _SHIFT, abs(scaled - math.floor(scaled) - 0.5) < _HALF_WAY


@numba.njit(cache=True)
def _begin(vector, picks, base, onnx, row, total):  # type: ignore[no-untyped-def]
    """Fill the model's row, and `total` with nothing; where its sum begins."""
    total[:] = 0.0
    for feature in range(len(picks)):
        row[feature] = vector[picks[feature]]
    return np.float32(0) if onnx else base


@numba.njit(cache=True)
def _end(margin, base, onnx, total, out):  # type: ignore[no-untyped-def]
    """Fill `out`: contributions, probability, whether rounding is unsure, and the top features (-1: none)."""
    width = len(total)
    one = np.float32(1)
    if onnx:
        margin += base
        part = one / (one + math.exp(-abs(margin)))
        out[width + PROBABILITY] = one - part if margin < 0 else part
    else:
        out[width + PROBABILITY] = one / (math.exp(-margin) + one)
    out[width + UNSURE] = 0.0
    for place in range(TOP):
        most = -1
        for feature in range(width):
            is_taken = False
            for taken in range(place):
                is_taken |= out[width + MOST + taken] == feature
            if not is_taken and (most < 0 or abs(total[feature]) > abs(total[most])):
                most = feature
        out[width + MOST + place] = most if most >= 0 and abs(total[most]) >= LEAST else -1
    for feature in range(width):
        out[feature], is_unsure = round_to_places(total[feature])
        if is_unsure:
            out[width + UNSURE] = 1.0


@numba.njit(cache=True)
def judge_leaves(  # type: ignore[no-untyped-def]
    vector, picks, base, onnx, scores, ends, features, low, high, missing, tables, table, row, total, out
):
    margin = _begin(vector, picks, base, onnx, row, total)
    margin = add_leaves(row, margin, scores, ends, features, low, high, missing, tables, table, total)
    _end(margin, base, onnx, total, out)


@numba.njit(cache=True)
def judge_trees(  # type: ignore[no-untyped-def]
    vector, picks, base, onnx, nodes, features, limits, missing, slots, slot_features, scores, score, tables, table,
    row, total, out,
):  # fmt: skip
    margin = _begin(vector, picks, base, onnx, row, total)
    margin = add_trees(
        row, margin, nodes, features, limits, missing, slots, slot_features, scores, score, tables, table, total
    )
    _end(margin, base, onnx, total, out)
