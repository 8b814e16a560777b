"""History against the naive oracle: random events, spines and declarations, cut into chunks of every size."""

from __future__ import annotations

import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rapport.archive.sql import read_parquet
from rapport.feast.sweep import STATUS, EventSource, sweep
from rapport.testing.oracle import oracle
from rapport.windows import FUNCTIONS, STATUS_NAMES, Aggregation, Kind, View, compile_view
from tests.feast.offline_repo import write_events

KINDS = {
    "amount": Kind.FLOAT,
    "qty": Kind.INT,
    "item": Kind.STRING,
    "flag": Kind.BOOL,
    "price": Kind.DECIMAL,
}
CUSTOMERS = ["a", "b", "ü", "d e"]
MINUTE = 60_000_000
SPAN = 30 * MINUTE

_values = st.fixed_dictionaries(
    {
        "amount": st.none() | st.floats(-1e6, 1e6),
        "qty": st.none() | st.integers(-(10**9), 10**9),
        "item": st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=3),
        "flag": st.none() | st.booleans(),
        "price": st.none() | st.integers(-(10**14), 10**14).map(lambda units: Decimal(units).scaleb(-4)),
    }
)
_times = st.integers(-SPAN, SPAN) | st.integers(-3, 3).map(lambda slides: slides * MINUTE)
_events = st.lists(st.tuples(st.sampled_from(CUSTOMERS), _times, _values), max_size=30)
_spines = st.lists(st.tuples(st.sampled_from([*CUSTOMERS, "nobody"]), _times), max_size=12)
_windows = st.sampled_from([(2 * MINUTE, MINUTE), (10 * MINUTE, 2 * MINUTE), (10 * MINUTE, MINUTE), (None, None)])


@st.composite
def _views(draw: st.DrawFn, name: str = "v") -> View:
    aggregations = []
    for number in range(draw(st.integers(1, 6))):
        column = draw(st.sampled_from(["", *KINDS]))
        able = [f for f, kinds in FUNCTIONS.items() if column and KINDS[column] in kinds] or [
            "count",
            "time_since_last",
        ]
        aggregations.append(Aggregation(f"f{number}", draw(st.sampled_from(able)), column, *draw(_windows)))
    return View(name, KINDS, tuple(aggregations), draw(st.none() | st.integers(1, SPAN)), {"price": 4})


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("events") / "events.parquet"


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(events=_events, spine=_spines, views=st.lists(_views(), min_size=1, max_size=2), chunk=st.integers(1, 40))
def test_history_equals_the_oracle(
    file: Path, events: list[Any], spine: list[tuple[str, int]], views: list[View], chunk: int
) -> None:
    write_events(file, events)
    codes, keys = pd.factorize(pd.Series([key for key, _ in spine], dtype=object))
    as_of = pd.Series([time for _, time in spine], dtype="int64").to_numpy()
    source = EventSource("events", read_parquet([str(file)]), "customer_id", "event_time")
    plans = [compile_view(view) for view in views]
    tables = sweep(source, plans, codes.astype("int64"), pd.Index(keys), as_of, chunk)
    for view, table in zip(views, tables, strict=True):
        assert table.num_rows == len(spine)
        for (key, time), row in zip(spine, table.to_pylist(), strict=True):
            mine = [(str(i), t, values) for i, (customer, t, values) in enumerate(events) if customer == key]
            status, expected = oracle(view, mine, time)
            assert STATUS_NAMES[row.pop(STATUS)] == status
            for name, value in expected.items():
                _same(row[name], value, [v["amount"] for _, _, v in mine if v["amount"] is not None])


def _same(seen: Any, expected: Any, inputs: list[float]) -> None:
    if isinstance(expected, float):
        assert seen is not None
        assert math.isclose(seen, expected, rel_tol=1e-9, abs_tol=1e-9 * max(1.0, sum(map(abs, inputs))))
    else:
        assert seen == expected
