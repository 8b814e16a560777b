"""The declaration of a windowed view, as values: what the engine computes, free of any store or stream.

The meaning of a window: for window W and slide H (H divides W and is at most W/2), a read at `as_of` includes the
events with floor((as_of - W) / H) * H <= event_time <= as_of. Without a window: all events up to `as_of`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType

from rapport.errors import DeclarationError

__all__ = ["FUNCTIONS", "MAX_SCALE", "MAX_WINDOW_US", "MIN_WINDOW_US", "Aggregation", "Kind", "View", "result_kind"]

MAX_SCALE = 18
MIN_WINDOW_US = 10_000_000
MAX_WINDOW_US = 400 * 86_400_000_000


class Kind(IntEnum):
    """The type of a column's values, and of a feature's."""

    INT = 0
    FLOAT = 1
    STRING = 2
    BOOL = 3
    DECIMAL = 4


_NUMBERS = (Kind.INT, Kind.FLOAT, Kind.DECIMAL)
_SUMMABLE = (Kind.INT, Kind.FLOAT, Kind.BOOL, Kind.DECIMAL)
_ALL = tuple(Kind)

FUNCTIONS: Mapping[str, tuple[Kind, ...]] = MappingProxyType(
    {
        "count": _ALL,
        "sum": _SUMMABLE,
        "mean": _SUMMABLE,
        "min": _NUMBERS,
        "max": _NUMBERS,
        "std": _NUMBERS,
        "count_distinct": _ALL,
        "first": _ALL,
        "last": _ALL,
        "time_since_last": _ALL,
    }
)
"""The functions, each with the kinds of column it takes."""


@dataclass(frozen=True, slots=True)
class Aggregation:
    """One feature: `function` of `column` over a window.

    Attributes:
        name: the feature's name, unique in its view.
        function: a key of FUNCTIONS.
        column: an event column; "" means the event itself (count and time_since_last only).
        window_us: the window's length in microseconds; None: all time.
        slide_us: the slide in microseconds; None exactly when window_us is None.
    """

    name: str
    function: str
    column: str
    window_us: int | None
    slide_us: int | None


@dataclass(frozen=True, slots=True)
class View:
    """A windowed view: its columns' kinds, its aggregations and its time to live.

    Attributes:
        name: the feature view's name.
        kinds: kind of each event column that an aggregation may name.
        aggregations: at least one; names are unique.
        ttl_us: a customer whose newest event is older than this is expired; None: never.
        scales: decimal places of each decimal column, 0 to 18; its values are below 2^63 in units of the last place.
    """

    name: str
    kinds: Mapping[str, Kind]
    aggregations: tuple[Aggregation, ...]
    ttl_us: int | None = None
    scales: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for column, kind in self.kinds.items():
            if kind is Kind.DECIMAL and not 0 <= self.scales.get(column, -1) <= MAX_SCALE:
                raise DeclarationError(
                    f"view {self.name!r}: the decimal column {column!r} has a scale of {self.scales.get(column)}; "
                    f"0 to {MAX_SCALE} decimal places are allowed"
                )
        if not self.aggregations:
            raise DeclarationError(f"view {self.name!r} has no aggregations: declare at least one")
        if self.ttl_us is not None and self.ttl_us <= 0:
            raise DeclarationError(f"view {self.name!r}: ttl {self.ttl_us} us must be positive, or 0/None for none")
        seen: set[str] = set()
        for aggregation in self.aggregations:
            _check(self, aggregation)
            if aggregation.name in seen:
                raise DeclarationError(f"view {self.name!r} has two aggregations named {aggregation.name!r}")
            seen.add(aggregation.name)


def result_kind(function: str, column: Kind | None) -> Kind:
    """The kind of a feature's value, from its function and its column's kind (None: the event itself)."""
    if function in ("count", "count_distinct"):
        return Kind.INT
    if function in ("mean", "std", "time_since_last"):
        return Kind.FLOAT
    if column is None:
        raise DeclarationError(f"function {function!r} needs a column")
    if function == "sum" and column is Kind.BOOL:
        return Kind.INT
    return column


def _check(view: View, aggregation: Aggregation) -> None:
    where = f"view {view.name!r}, aggregation {aggregation.name!r}"
    if not aggregation.name:
        raise DeclarationError(f"view {view.name!r} has an aggregation without a name: give it one")
    if aggregation.function not in FUNCTIONS:
        raise DeclarationError(
            f"{where}: unknown function {aggregation.function!r}; choose from {', '.join(FUNCTIONS)}"
        )
    _check_column(where, view, aggregation)
    _check_window(where, aggregation)


def _check_column(where: str, view: View, aggregation: Aggregation) -> None:
    if not aggregation.column:
        if aggregation.function not in ("count", "time_since_last"):
            raise DeclarationError(
                f"{where}: {aggregation.function} needs a column; only count and time_since_last take the event itself"
            )
        return
    kind = view.kinds.get(aggregation.column)
    if kind is None:
        raise DeclarationError(
            f"{where}: unknown column {aggregation.column!r}; the source has {', '.join(view.kinds) or 'none'}"
        )
    if kind not in FUNCTIONS[aggregation.function]:
        able = [name for name, kinds in FUNCTIONS.items() if kind in kinds]
        raise DeclarationError(
            f"{where}: {aggregation.function} of the {kind.name.lower()} column {aggregation.column!r} is not defined; "
            f"such a column takes {', '.join(able)}"
        )


def _check_window(where: str, aggregation: Aggregation) -> None:
    window, slide = aggregation.window_us, aggregation.slide_us
    if window is None:
        if slide is not None:
            raise DeclarationError(f"{where}: a slide without a window; give both, or neither for all time")
        return
    if not MIN_WINDOW_US <= window <= MAX_WINDOW_US:
        raise DeclarationError(f"{where}: window of {window / 1e6:g} s; 10 seconds to 400 days are allowed")
    if slide is None or slide <= 0 or window % slide or slide * 2 > window:
        shown = "none" if slide is None else f"{slide / 1e6:g} s"
        raise DeclarationError(
            f"{where}: slide_interval {shown} must divide the window of {window / 1e6:g} s and be at most half of it"
        )
