"""Generated views and events for the engine's property tests."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
from hypothesis import strategies as st

from rapport.testing.oracle import OracleEvent
from rapport.windows import FUNCTIONS, Aggregation, Events, Kind, View, column_of

KINDS = {
    "amount": Kind.FLOAT,
    "qty": Kind.INT,
    "item": Kind.STRING,
    "flag": Kind.BOOL,
    "price": Kind.DECIMAL,
    "wei": Kind.DECIMAL,
}
SCALES = {"price": 2, "wei": 18}
NOW = 1_700_000_000_000_000
_SECOND = 1_000_000
_WINDOWS = [(10, 1), (10, 5), (60, 5), (300, 10), (3600, 120), (86_400, 2_880), (90 * 86_400, 86_400)]

amounts = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(-1e6, 1e6).map(lambda value: round(value, 3)),
    st.sampled_from([0.0, -0.0, 0.1, 5e-324, 1.7976931348623157e308, -1.7976931348623157e308, 1e-6, 1e9 + 1e-6]),
)
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "amount": amounts,
    "qty": st.one_of(st.integers(-5, 5), st.integers(-(2**62), 2**62)),
    "item": st.one_of(st.sampled_from(["a", "b", "ab", ""]), st.text(max_size=12)),
    "flag": st.booleans(),
    "price": st.one_of(st.integers(-500, 500), st.integers(-(2**58), 2**58)).map(lambda n: Decimal(n).scaleb(-2)),
    "wei": st.integers(-(2**58), 2**58).map(lambda n: Decimal(n).scaleb(-18)),
}


@st.composite
def views(draw: st.DrawFn) -> View:
    """A view of a few aggregations, some of which share columns and slides."""
    windows = draw(st.lists(st.sampled_from([*_WINDOWS, None]), min_size=1, max_size=3, unique=True))
    choices = [(f, c) for f, kinds in FUNCTIONS.items() for c, kind in KINDS.items() if kind in kinds]
    choices += [("count", ""), ("time_since_last", "")]
    wanted = draw(st.lists(st.tuples(st.sampled_from(choices), st.sampled_from(windows)), min_size=1, max_size=12))
    aggregations = tuple(
        Aggregation(
            name=f"f{i}_{function}_{column}",
            function=function,
            column=column,
            window_us=None if window is None else window[0] * _SECOND,
            slide_us=None if window is None else window[1] * _SECOND,
        )
        for i, ((function, column), window) in enumerate(wanted)
    )
    ttl = draw(st.sampled_from([None, 5 * _SECOND, 3600 * _SECOND, 100 * 86_400 * _SECOND]))
    return View("generated", KINDS, aggregations, ttl, SCALES)


times = st.one_of(
    st.integers(0, 20 * _SECOND),
    st.integers(0, 3600 * _SECOND),
    st.integers(0, 100 * 86_400 * _SECOND),
    # Boundaries of slides, and a microsecond to either side of them.
    st.tuples(st.integers(0, 400), st.sampled_from([1, 5, 10, 120]), st.integers(-1, 1)).map(
        lambda parts: max(0, parts[0] * parts[1] * _SECOND + parts[2])
    ),
).map(lambda ago: NOW - ago)


@st.composite
def event_lists(draw: st.DrawFn, max_size: int = 25) -> list[OracleEvent]:
    """Events of one customer, with nulls, ties of time, and no repeated ids."""
    n = draw(st.integers(0, max_size))
    moments = draw(st.lists(times, min_size=n, max_size=n))
    if draw(st.booleans()):
        moments = [moments[i // 2] for i in range(n)]
    return [
        (f"e{i}", moment, {name: draw(st.none() | values) for name, values in _VALUES.items()})
        for i, moment in enumerate(moments)
    ]


def columns_of(events: list[OracleEvent]) -> Events:
    """The events as the engine takes them."""
    moments = np.array([time for _, time, _ in events], np.int64)
    return Events(
        moments,
        {
            name: column_of(kind, [values[name] for _, _, values in events], SCALES.get(name, 0))
            for name, kind in KINDS.items()
        },
    )
