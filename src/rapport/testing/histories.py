"""Generated histories of customers, thick where windows begin and end."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from rapport.testing.feeding import CustomerEvent
from rapport.windows import Kind, View

__all__ = ["generate", "moments"]

_DAY_US = 86_400_000_000
_STRINGS = ("", "a", "b", "ä", "z", "客户", "😀", "a" * 60)
_FLOATS = (0.0, -0.0, 0.1, 0.2, -0.5, 1.0, 1e-9, 3e5, 1 / 3)
_INTS = (-3, 0, 1, 2, 1_000_000, 12_345_678_901)


def moments(view: View, start_us: int) -> list[int]:
    """Ascending times to read a view at, from `start_us` on: just then, as windows empty, at and after the ttl."""
    windows = sorted({a.window_us for a in view.aggregations if a.window_us})
    slides = sorted({a.slide_us for a in view.aggregations if a.slide_us})
    later = {
        0,
        1,
        _DAY_US,
        40 * _DAY_US,
        *(slides[:1]),
        *(window + slide for window in windows for slide in slides[:1]),
    }
    if view.ttl_us:
        later |= {view.ttl_us, view.ttl_us + 1}
    chosen = sorted(later)
    return [start_us + after for after in (chosen if len(chosen) < 9 else [*chosen[:5], *chosen[-4:]])]


def generate(
    view: View, kinds: Mapping[str, Kind], rng: random.Random, *, customers: int, events: int, until_us: int
) -> list[CustomerEvent]:
    """`events` events of `customers` customers, none after `until_us`, in no particular order.

    Args:
        kinds: the event columns to fill; about a fifth of the values are null.
    """
    made: list[CustomerEvent] = []
    for number in range(events):
        time_us = made[-1][1][1] if made and rng.random() < 0.1 else _time(view, rng, until_us)
        values = {name: _value(kind, rng) for name, kind in kinds.items()}
        made.append((f"customer {rng.randrange(customers)} ü", (f"e{number}", time_us, values)))
    return made


def _time(view: View, rng: random.Random, until_us: int) -> int:
    aggregation = rng.choice(view.aggregations)
    window, slide = aggregation.window_us or _DAY_US, aggregation.slide_us or _DAY_US
    if rng.random() < 0.4:
        edge = (until_us - window) // slide * slide + rng.choice((0, 0, slide, -slide))
        return min(until_us, edge + rng.choice((-1, 0, 1)))
    return until_us - rng.randrange(window + window // 2) * (rng.random() < 0.95)


def _value(kind: Kind, rng: random.Random) -> Any:
    if rng.random() < 0.2:
        return None
    if kind is Kind.STRING:
        return rng.choice(_STRINGS)
    if kind is Kind.BOOL:
        return rng.random() < 0.5
    return rng.choice(_INTS) if kind is Kind.INT else rng.choice(_FLOATS)
