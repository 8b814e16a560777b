"""From a declaration to a plan: which partial aggregates a row keeps, and how features are read off them.

Features over the same column with the same slide share a *series* of tiles. A tile holds the parts that any of the
series' functions needs; a series keeps the tiles that its longest window can still reach.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from rapport.windows.view import Aggregation, Kind, View, result_kind

__all__ = ["Layout", "Plan", "SeriesLayout", "compile_view"]

SUM, SQUARE, MIN, MAX, FIRST, LAST, LAST_TIME, DISTINCT = (1 << bit for bit in range(8))
"""Parts of a tile beside its count, in the order in which a tile stores them."""

_PARTS = {
    "count": 0,
    "sum": SUM,
    "mean": SUM,
    "min": MIN,
    "max": MAX,
    "std": SUM | SQUARE,
    "count_distinct": DISTINCT,
    "first": FIRST,
    "last": LAST,
    "time_since_last": LAST_TIME,
}
FUNCTION_CODES = {name: code for code, name in enumerate(_PARTS)}
SERIES_FIELDS = ("column", "kind", "slide", "reach", "parts", "first_feature", "last_feature")
FEATURE_FIELDS = ("function", "window", "output", "scale")
_FORMAT = 1


class SeriesLayout(NamedTuple):
    """What a row keeps of one column at one slide; times in microseconds, 0 without a window.

    The low byte of `kind` is the column's Kind, the rest a decimal's places.
    """

    column: str
    kind: int
    slide_us: int
    reach_us: int
    parts: int


@dataclass(frozen=True, slots=True)
class Layout:
    """What a row keeps: its series, in the row's order. Enough to read the tiles of a view that is declared no more."""

    series: tuple[SeriesLayout, ...]

    @property
    def digest(self) -> bytes:
        """The 4 bytes of a row's header that name it."""
        return _hash([tuple(map(str, entry)) for entry in self.series])


@dataclass(frozen=True, slots=True)
class Plan:
    """How a view's rows are kept and read.

    Attributes:
        view: the declaration.
        names, kinds: the features in declared order, and the kinds of their values.
        columns: the event columns that are needed; a series names its column by its place here, -1 the event itself.
        fingerprint: 4 bytes of a hash of the whole declaration but its name and ttl.
        keeps: what a row keeps.
        layout: the 4 bytes of its digest; rows of another layout have to be translated (`translate`).
        series: int64[s, 7], SERIES_FIELDS; slide and reach are 0 without a window, times in microseconds.
        scales: decimal places of decimal features, in declared order; 0 of others.
        features: int64[f, 4], FEATURE_FIELDS; by series, and there by window, shortest first, all time last.
    """

    view: View
    names: tuple[str, ...]
    kinds: tuple[Kind, ...]
    scales: tuple[int, ...]
    columns: tuple[str, ...]
    fingerprint: bytes
    keeps: Layout
    layout: bytes
    series: npt.NDArray[np.int64]
    features: npt.NDArray[np.int64]


def compile_view(view: View) -> Plan:
    """Plan a view. Views are checked when they are made, so every view has a plan."""
    groups: dict[tuple[str, int], list[int]] = {}
    for place, aggregation in enumerate(view.aggregations):
        groups.setdefault((aggregation.column, aggregation.slide_us or 0), []).append(place)
    columns = tuple(sorted({column for column, _ in groups if column}))
    series: list[tuple[int, ...]] = []
    features: list[tuple[int, int, int, int]] = []
    for (column, slide), places in sorted(groups.items()):
        places.sort(key=lambda place: view.aggregations[place].window_us or 0)
        members = [view.aggregations[place] for place in places]
        kind = view.kinds[column] if column else Kind.BOOL
        where = columns.index(column) if column else -1
        reach = members[-1].window_us or 0
        series.append((where, kind, slide, reach, _parts(members), len(features), len(features) + len(members)))
        features += [
            (FUNCTION_CODES[a.function], a.window_us or 0, place, view.scales.get(a.column, 0))
            for a, place in zip(members, places, strict=True)
        ]
    keeps = Layout(
        tuple(_series_layout(view, columns[where] if where >= 0 else "", *rest[:4]) for where, *rest in series)
    )
    kinds = tuple(result_kind(a.function, view.kinds.get(a.column)) for a in view.aggregations)
    return Plan(
        view=view,
        names=tuple(a.name for a in view.aggregations),
        kinds=kinds,
        scales=tuple(
            view.scales[a.column] if kind is Kind.DECIMAL else 0
            for a, kind in zip(view.aggregations, kinds, strict=True)
        ),
        columns=columns,
        fingerprint=_hash((view.aggregations, [(name, _type_code(view, name)) for name in columns])),
        keeps=keeps,
        layout=keeps.digest,
        series=np.array(series, np.int64),
        features=np.array(features, np.int64),
    )


def _series_layout(view: View, column: str, _kind: int, slide: int, reach: int, parts: int) -> SeriesLayout:
    return SeriesLayout(column, _type_code(view, column) if column else int(Kind.BOOL), slide, reach, parts)


def _type_code(view: View, column: str) -> int:
    """A column's kind; a decimal's places count too, as its numbers are in units of the last."""
    return int(view.kinds[column]) | view.scales.get(column, 0) << 8


def _parts(members: list[Aggregation]) -> int:
    parts = 0
    for aggregation in members:
        parts |= _PARTS[aggregation.function]
    # The last value's time is stored with the value.
    return parts & ~LAST_TIME if parts & LAST else parts


def _hash(content: object) -> bytes:
    return hashlib.blake2s(f"{_FORMAT} {content!r}".encode(), digest_size=4).digest()
