"""From merged tiles to a feature's value, compiled."""

from __future__ import annotations

import numpy as np

from rapport.windows import exact
from rapport.windows.compiled import float_of_bits, jit
from rapport.windows.exact import FLOAT, STRING
from rapport.windows.plan import FUNCTION_CODES
from rapport.windows.tiles import (
    COUNT,
    DISTINCT_LIMIT,
    FIRST_N,
    FIRST_V,
    GREATEST,
    HASHES,
    LAST_N,
    LAST_T,
    LAST_V,
    LEAST,
    NO_THETA,
    sort_unique,
)

__all__: list[str] = []

_COUNT = FUNCTION_CODES["count"]
_SUM = FUNCTION_CODES["sum"]
_MEAN = FUNCTION_CODES["mean"]
_MIN = FUNCTION_CODES["min"]
_MAX = FUNCTION_CODES["max"]
_STD = FUNCTION_CODES["std"]
_COUNT_DISTINCT = FUNCTION_CODES["count_distinct"]
_FIRST = FUNCTION_CODES["first"]
_LAST = FUNCTION_CODES["last"]
_TIME_SINCE_LAST = FUNCTION_CODES["time_since_last"]


@jit
def _distinct(tile):
    """How many distinct hashes: exact, or past a tile's limit (hashes below theta) / theta, as theta sketches have it.

    Dasgupta, Lang, Rhodes, Thaler: A framework for estimating stream expression cardinalities, 2016.
    """
    n = sort_unique(tile.hashes, 0, tile.state[HASHES])
    tile.state[HASHES] = n
    theta = tile.theta[0]
    if theta == NO_THETA:
        return n
    below = 0
    while below < n and tile.hashes[below] < theta:
        below += 1
    return np.int64(round(float(below) / (float(theta) / 2.0**64)))


@jit
def cut_segment(tile, start):
    """Treat hashes from `start` on as one tile's: past the limit keep its smallest, as a stored tile would."""
    end = tile.state[HASHES]
    if end - start > DISTINCT_LIMIT:
        end = sort_unique(tile.hashes, start, end)
        if end - start > DISTINCT_LIMIT:
            end = start + DISTINCT_LIMIT
            tile.theta[0] = min(tile.theta[0], tile.hashes[end - 1])
        tile.state[HASHES] = end
    return end


@jit
def put_integer(outputs, row, at, value):
    outputs.integers[row, at] = value
    outputs.floats[row, at] = value


@jit
def _put_scaled(outputs, row, at, value, places):
    """A number in units of its last decimal place."""
    outputs.integers[row, at] = value
    outputs.floats[row, at] = float(value) / 10.0**places if places else float(value)


@jit
def _put_value(kind, outputs, row, at, value, length, places):
    if kind == STRING:
        outputs.integers[row, at], outputs.lengths[row, at] = value, length
    elif kind == FLOAT:
        outputs.floats[row, at] = float_of_bits(exact.float_bits(value))
    else:
        _put_scaled(outputs, row, at, value, places)


@jit
def emit(tile, kind, features, feature, as_of, row, outputs):
    """Store one feature's value; what has been merged stays as it is, so that a longer window can go on from it."""
    function, at, places = features[feature, 0], features[feature, 2], features[feature, 3]
    state = tile.state
    count = state[COUNT]
    if function == _COUNT:
        put_integer(outputs, row, at, count)
    elif function == _COUNT_DISTINCT:
        put_integer(outputs, row, at, _distinct(tile))
    elif function == _SUM:
        if kind == FLOAT:
            outputs.floats[row, at] = exact.rounded_mean(tile.sums, tile.sum_range, tile.temp, kind, 1, 0)
        else:
            _put_scaled(outputs, row, at, exact.integer_sum(tile.sums, tile.sum_range, tile.temp), places)
    elif count == 0 or (function == _STD and count < 2):
        return
    elif function == _MEAN:
        outputs.floats[row, at] = exact.rounded_mean(tile.sums, tile.sum_range, tile.temp, kind, count, places)
    elif function == _STD:
        deviation = exact.sample_std(
            tile.sums, tile.sum_range, tile.squares, tile.square_range, tile.temp, tile.other, kind, count
        )
        outputs.floats[row, at] = deviation / 10.0**places if places else deviation
    elif function == _MIN:
        _put_value(kind, outputs, row, at, state[LEAST], np.int64(0), places)
    elif function == _MAX:
        _put_value(kind, outputs, row, at, state[GREATEST], np.int64(0), places)
    elif function == _FIRST:
        _put_value(kind, outputs, row, at, state[FIRST_V], state[FIRST_N], places)
    elif function == _LAST:
        _put_value(kind, outputs, row, at, state[LAST_V], state[LAST_N], places)
    elif function == _TIME_SINCE_LAST:
        outputs.floats[row, at] = float(as_of - state[LAST_T]) / 1e6
    outputs.valid[row, at] = True
