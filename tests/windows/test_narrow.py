"""Sums in machine words give the very doubles of exact sums, up to the limit where they must not be used."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport.windows import Aggregation, Events, Kind, View, column_of, compile_view, history, read, update
from tests.windows.test_properties import CASES

FUNCTIONS = ("count", "sum", "mean", "min", "max", "std", "first", "last")
DAY_US = 86_400_000_000
ints = st.one_of(
    st.integers(-(2**54), 2**54),
    st.integers(-5, 5),
    st.sampled_from([2**53, 2**53 - 1, -(2**53), 2**63 - 1, -(2**63), 2**52 + 1, 3 * 2**50]),
)
floats = st.one_of(
    st.integers(-(2**50), 2**50).map(lambda units: units / 1e6),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.1, -0.0, 0.0, 1e-6, 1e15, 0.5]),
)


@settings(max_examples=2 * CASES, deadline=None)
@given(st.data(), st.sampled_from([Kind.INT, Kind.FLOAT]))
def test_history_equals_rows_to_the_bit(data: st.DataObject, kind: Kind) -> None:
    """Windows of several slides over one column share a walk; two customers, one of whom may need exact sums."""
    values = ints if kind is Kind.INT else floats
    spans = [(DAY_US, DAY_US // 2), (DAY_US + 7, 1), (3 * DAY_US, DAY_US), (None, None)]
    view = View(
        "v",
        {"x": kind},
        tuple(
            Aggregation(f"{function}_{i}", function, "x", window, slide)
            for i, (window, slide) in enumerate(spans)
            for function in FUNCTIONS
        ),
    )
    plan = compile_view(view)
    pairs = st.lists(st.tuples(st.integers(0, 5 * DAY_US), st.none() | values), min_size=1, max_size=12)
    given_events = [sorted(data.draw(pairs), key=lambda pair: pair[0]) for _ in range(2)]
    flat = [pair for some in given_events for pair in some]
    events = Events(np.array([t for t, _ in flat], np.int64), {"x": column_of(kind, [x for _, x in flat])})
    starts = np.array([0, len(given_events[0]), len(flat)])
    rows = update(plan, [None, None], np.repeat([0, 1], np.diff(starts)), events)
    as_of = data.draw(st.integers(5 * DAY_US, 8 * DAY_US))
    past = history(plan, events, starts, np.array([1, 0, 1]), np.full(3, as_of))
    now = read(plan, [rows[1], rows[0], rows[1]], as_of)
    np.testing.assert_array_equal(past.matrix().view(np.int64), now.matrix().view(np.int64))
    assert [past.row(i) for i in range(3)] == [now.row(i) for i in range(3)]
