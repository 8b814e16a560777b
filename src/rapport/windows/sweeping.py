"""Sorted events and a spine in, feature values out: the same meaning as a read, point in time.

Nothing here looks at stored tiles: windows are folded from the events themselves, so the two sides check each other.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rapport.windows.columns import Events
from rapport.windows.compiled import jit
from rapport.windows.finish import cut_segment, emit
from rapport.windows.keyed import add_event, keyed, seen
from rapport.windows.plan import DISTINCT, Plan
from rapport.windows.rows import PADDING, series_at
from rapport.windows.tiles import HASHES, clear, scratch_tile
from rapport.windows.values import EXPIRED, MISSING, PRESENT, Values, new_outputs

__all__ = ["history"]


def history(
    plan: Plan,
    events: Events,
    event_starts: npt.NDArray[np.int64],
    spine_entity: npt.NDArray[np.int64],
    as_of_us: npt.NDArray[np.int64],
) -> Values:
    """The features of s spine rows, each as of its own time.

    Args:
        events: n events sorted by (entity, event_time_us).
        event_starts: int64[k + 1]; entity e owns the events event_starts[e] to event_starts[e + 1].
        spine_entity: int64[s], index of each spine row's entity; -1: one without events.
        as_of_us: int64[s], UTC microseconds.
    """
    columns, src = keyed(plan, events, np.zeros(PADDING, np.uint8))
    outputs = new_outputs(plan, len(spine_entity))
    tile = scratch_tile(int(np.diff(event_starts).max(initial=0)) + 1)
    ttl = plan.view.ttl_us or 0
    _sweep(plan.series, plan.features, src, columns, event_starts, spine_entity, as_of_us, ttl, tile, outputs)
    return Values(plan, outputs, src)


@jit
def _fold(entry, features, src, events, first, last, as_of, tile, row, outputs):
    """Fold events [first, last) into one series' features, from the newest back."""
    kind, slide, parts, feature, end = entry[1], entry[2], entry[4], entry[5], entry[6]
    clear(tile)
    segment, index = np.int64(0), np.int64(0)
    for event in range(last - 1, first - 1, -1):
        if slide:
            before, index = index, events.times[event] // slide
            if index != before and parts & DISTINCT:
                segment = cut_segment(tile, segment)
            while feature < end and (as_of - features[feature, 1]) // slide > index:
                emit(tile, kind, features, feature, as_of, row, outputs)
                segment = tile.state[HASHES]
                feature += 1
            if feature == end:
                return
        if seen(events, entry, event):
            add_event(tile, src, entry, events, event)
    if parts & DISTINCT:
        cut_segment(tile, segment)
    while feature < end:
        emit(tile, kind, features, feature, as_of, row, outputs)
        feature += 1


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
def _sweep(series, features, src, events, event_starts, spine_entity, as_of, ttl, tile, outputs):
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
        for s in range(len(series)):
            _fold(series_at(series, s), features, src, events, first, last, as_of[row], tile, row, outputs)
