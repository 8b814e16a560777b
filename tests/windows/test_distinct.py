"""count_distinct: exact up to 1,024 distinct values of a tile, then an estimate; the same online and in history."""

from __future__ import annotations

import numpy as np
import pytest

from rapport.windows import Aggregation, Column, Events, Kind, View, compile_view, history, read, update

SECOND = 1_000_000
NOW = 1_700_000_000_000_000
VIEW = View(
    "visits",
    {"page": Kind.INT},
    (
        Aggregation("all", "count_distinct", "page", None, None),
        Aggregation("minute", "count_distinct", "page", 60 * SECOND, 5 * SECOND),
        Aggregation("half", "count_distinct", "page", 30 * SECOND, 5 * SECOND),
    ),
)


def _events(pages: np.ndarray, seconds_ago: np.ndarray) -> Events:
    return Events(NOW - seconds_ago * SECOND, {"page": Column(Kind.INT, pages, np.ones(len(pages), np.bool_))})


@pytest.mark.parametrize(("distinct", "error"), [(1_000, 0.0), (1_024, 0.0), (1_025, 0.1), (50_000, 0.12)])
def test_error_is_as_stated(distinct: int, error: float) -> None:
    rng = np.random.default_rng(7)
    pages = np.concatenate([np.arange(distinct), rng.integers(0, distinct, distinct)])
    plan = compile_view(VIEW)
    events = _events(pages, np.zeros(len(pages), np.int64))
    row = update(plan, [None], np.zeros(len(pages), np.int64), events)
    values = read(plan, row, NOW).row(0)
    assert values["all"] == pytest.approx(distinct, rel=error)
    assert values["all"] == values["minute"] == values["half"]


def test_cut_tiles_do_not_depend_on_order_and_history_agrees() -> None:
    rng = np.random.default_rng(3)
    n = 30_000
    pages, ago = rng.integers(0, 9_000, n), rng.integers(0, 90, n)
    plan = compile_view(VIEW)
    whole = update(plan, [None], np.zeros(n, np.int64), _events(pages, ago))[0]
    order, row = rng.permutation(n), b""
    for part in np.array_split(order, 9):
        row = update(plan, [row], np.zeros(len(part), np.int64), _events(pages[part], ago[part]))[0]
    assert row == whole
    by_time = np.argsort(-ago, kind="stable")
    past = history(
        plan, _events(pages[by_time], ago[by_time]), np.array([0, n]), np.zeros(1, np.int64), np.array([NOW])
    )
    assert past.row(0) == read(plan, [whole], NOW).row(0)
