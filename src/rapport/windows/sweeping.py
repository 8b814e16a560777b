"""Sorted events and a spine in, feature values out: the same meaning as a read, point in time.

Nothing here looks at stored tiles: windows are folded from the events themselves, so the two sides check each other.

For a spine row, one *walk* per column goes back from its time over the entity's events and leaves each feature where
its window begins, whatever the slides. Only distinct values are walked by series, since a tile's limit cuts them.
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np
import numpy.typing as npt

from rapport.windows.columns import Events
from rapport.windows.compiled import jit
from rapport.windows.exact import FLOAT
from rapport.windows.finish import cut_segment, emit, put_integer
from rapport.windows.keyed import Keyed, add_event, keyed
from rapport.windows.narrow import fill_units, is_narrow, mean, product, std
from rapport.windows.plan import DISTINCT, FIRST, FUNCTION_CODES, LAST, LAST_TIME, MAX, MIN, SQUARE, SUM, Plan
from rapport.windows.rows import PADDING, series_at
from rapport.windows.tiles import COUNT, GREATEST, HASHES, LEAST, clear, scratch_tile
from rapport.windows.values import EXPIRED, MISSING, PRESENT, Values, new_outputs
from rapport.windows.view import Kind

__all__ = ["history"]

_SUM, _MEAN, _STD = (FUNCTION_CODES[name] for name in ("sum", "mean", "std"))
_SLIDE = 4
"""Where a walk's feature has its slide, behind FEATURE_FIELDS."""
_EVER, _MOST = np.int64(-0x8000_0000_0000_0000), np.int64(0x7FFF_FFFF_FFFF_FFFF)
_IN_TILE = FIRST | LAST | LAST_TIME
"""Parts that a short walk leaves to a tile."""

Scratch = namedtuple("Scratch", ["begins", "order", "narrow"])
"""Of one spine row: where each feature's window begins (int64), the features by that, the latest first (int64); and of
its entity: whether each walk's numbers can be summed in words (bool)."""


def history(
    plan: Plan,
    events: Events,
    event_starts: npt.NDArray[np.int64],
    spine_entity: npt.NDArray[np.int64],
    as_of_us: npt.NDArray[np.int64],
) -> Values:
    """The features of s spine rows, each as of its own time. Fastest where rows of one entity stand together.

    Args:
        events: n events sorted by (entity, event_time_us).
        event_starts: int64[k + 1]; entity e owns the events event_starts[e] to event_starts[e + 1].
        spine_entity: int64[s], index of each spine row's entity; -1: one without events.
        as_of_us: int64[s], UTC microseconds.
    """
    columns, src = keyed(plan, events, np.zeros(PADDING, np.uint8))
    outputs = new_outputs(plan, len(spine_entity))
    tile = scratch_tile(int(np.diff(event_starts).max(initial=0)) + 1)
    walks, features = _walks(plan)
    size = len(features)
    scratch = Scratch(np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(len(walks), np.bool_))
    _sweep(
        walks, features, src, columns, _units(plan, columns), event_starts, spine_entity, as_of_us,
        plan.view.ttl_us or 0, tile, scratch, outputs,
    )  # fmt: skip
    return Values(plan, outputs, src)


def _walks(plan: Plan) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The walks, like series, and their features, each with its slide behind it.

    Series of one column make one walk; a series that keeps distinct values is one by itself.
    """
    groups: dict[tuple[int, ...], list[npt.NDArray[np.int64]]] = {}
    for number, entry in enumerate(plan.series):
        alone = number + 1 if entry[4] & DISTINCT else 0
        groups.setdefault((int(entry[0]), alone), []).append(entry)
    walks, features = [], []
    for series in groups.values():
        first = len(features)
        for entry in series:
            features += [(*feature, entry[2]) for feature in plan.features[entry[5] : entry[6]]]
        column, kind, slide, reach = series[0][:4]
        parts = int(np.bitwise_or.reduce([entry[4] for entry in series]))
        walks.append((column, kind, slide, reach, parts, first, len(features)))
    return np.array(walks, np.int64), np.array(features, np.int64)


def _units(plan: Plan, columns: Keyed) -> npt.NDArray[np.int64]:
    """int64[plan columns, n]: what narrow sums add up."""
    kinds = [plan.view.kinds[name] for name in plan.columns]
    if Kind.FLOAT not in kinds:
        keys: npt.NDArray[np.int64] = columns.keys
        return keys
    units = columns.keys.copy()
    for place, kind in enumerate(kinds):
        if kind is Kind.FLOAT:
            fill_units(columns.keys[place], units[place])
    return units


@jit
def _arrange(walk, features, as_of, scratch):
    """Where each feature's window begins, and the features by that, the latest first."""
    first, end = walk[5], walk[6]
    for feature in range(first, end):
        window, slide = features[feature, 1], features[feature, _SLIDE]
        begin = (as_of - window) // slide * slide if slide else _EVER
        at = feature
        while at > first and scratch.begins[at - 1] < begin:
            scratch.begins[at], scratch.order[at] = scratch.begins[at - 1], scratch.order[at - 1]
            at -= 1
        scratch.begins[at], scratch.order[at] = begin, feature


@jit
def _emit_narrow(kind, function, count, total, square_high, square_low, outputs, row, at):
    if function == _SUM:
        if kind == FLOAT:
            outputs.floats[row, at] = mean(total, kind, 1)
        else:
            put_integer(outputs, row, at, total)
    elif count == 0 or (function == _STD and count < 2):
        return
    elif function == _MEAN:
        outputs.floats[row, at] = mean(total, kind, count)
    else:
        outputs.floats[row, at] = std(total, square_high, square_low, kind, count)
    outputs.valid[row, at] = True


@jit
def _walk_short(walk, features, src, events, units, first, last, as_of, tile, scratch, row, outputs):
    """Fold events [first, last), whose numbers are narrow, into one walk's features, from the newest back."""
    column, kind, slide, parts, at, end = walk[0], walk[1], walk[2], walk[4], walk[5], walk[6]
    rest = (column, kind, slide, walk[3], parts & _IN_TILE, at, end)
    clear(tile)
    state = tile.state
    count, least, greatest = np.int64(0), _MOST, _EVER
    total, square_high, square_low = np.int64(0), np.uint64(0), np.uint64(0)
    event = last - 1
    while True:
        while at < end and (event < first or scratch.begins[at] > events.times[event]):
            feature = scratch.order[at]
            function = features[feature, 0]
            if function in (_SUM, _MEAN, _STD):
                _emit_narrow(kind, function, count, total, square_high, square_low, outputs, row, features[feature, 2])
            else:
                state[COUNT], state[LEAST], state[GREATEST] = count, least, greatest
                emit(tile, kind, features, feature, as_of, row, outputs)
            at += 1
        if at == end:
            return
        if column < 0 or events.valid[column, event]:
            count += 1
            if parts & (MIN | MAX):
                least = min(least, events.keys[column, event])
                greatest = max(greatest, events.keys[column, event])
            if parts & (SUM | SQUARE):
                value = units[column, event]
                total += value
                if parts & SQUARE:
                    size = np.uint64(abs(value))
                    high, low = product(size, size)
                    square_low += low
                    square_high += high + (np.uint64(1) if square_low < low else np.uint64(0))
            if parts & _IN_TILE:
                add_event(tile, src, rest, events, event)
        event -= 1


@jit
def _walk_long(walk, features, src, events, first, last, as_of, tile, scratch, row, outputs):
    """The same for any numbers, and for distinct values."""
    column, slide, parts, at, end = walk[0], walk[2], walk[4], walk[5], walk[6]
    clear(tile)
    segment, index = np.int64(0), np.int64(0)
    event = last - 1
    while True:
        if parts & DISTINCT:
            before = index
            index = events.times[event] // slide if slide and event >= first else index
            if index != before or event < first:
                segment = cut_segment(tile, segment)
        while at < end and (event < first or scratch.begins[at] > events.times[event]):
            emit(tile, walk[1], features, scratch.order[at], as_of, row, outputs)
            segment = tile.state[HASHES]
            at += 1
        if at == end:
            return
        if column < 0 or events.valid[column, event]:
            add_event(tile, src, walk, events, event)
        event -= 1


@jit
def _first_after(times, first, end, as_of):
    """The first place in ascending times[first:end] that is later than as_of."""
    while first < end:
        middle = (first + end) // 2
        if times[middle] <= as_of:
            first = middle + 1
        else:
            end = middle
    return first


@jit
def _look_at(walks, units, events, first, end, scratch):
    """Which walks over an entity's events can sum in words."""
    for w in range(len(walks)):
        column, kind, parts = walks[w, 0], walks[w, 1], walks[w, 4]
        sums = parts & (SUM | SQUARE) != 0
        scratch.narrow[w] = parts & DISTINCT == 0 and (
            not sums or is_narrow(units[column], events.valid[column], kind, first, end)
        )


@jit
def _sweep(walks, features, src, events, units, event_starts, spine_entity, as_of, ttl, tile, scratch, outputs):
    looked_at = np.int64(-1)
    for row in range(len(spine_entity)):
        entity = spine_entity[row]
        outputs.status[row] = MISSING
        if entity < 0:
            continue
        first, end = event_starts[entity], event_starts[entity + 1]
        last = _first_after(events.times, first, end, as_of[row])
        if last == first:
            continue
        newest = events.times[last - 1]
        outputs.newest[row] = newest
        if ttl > 0 and as_of[row] - newest > ttl:
            outputs.status[row] = EXPIRED
            continue
        outputs.status[row] = PRESENT
        if entity != looked_at:
            _look_at(walks, units, events, first, end, scratch)
            looked_at = entity
        for w in range(len(walks)):
            walk = series_at(walks, w)
            _arrange(walk, features, as_of[row], scratch)
            if scratch.narrow[w]:
                _walk_short(walk, features, src, events, units, first, last, as_of[row], tile, scratch, row, outputs)
            else:
                _walk_long(walk, features, src, events, first, last, as_of[row], tile, scratch, row, outputs)
