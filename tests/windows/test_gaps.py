"""Rows that lack a part of the past: what they say meanwhile, and that the past makes them whole, byte for byte."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport.errors import RowCorrupt
from rapport.testing.oracle import OracleEvent
from rapport.windows import Aggregation, Events, Gap, Plan, View, compile_view, complete, read, translate, update
from tests.windows.strategies import NOW, columns_of, event_lists, views
from tests.windows.test_properties import CASES


def _count(window_us: int) -> Aggregation:
    return Aggregation("n", "count", "", window_us, window_us // 6)


def _times(*times: int) -> Events:
    return Events(np.array(times, np.int64), {})


def _rows_of(n: int) -> np.ndarray:
    return np.zeros(n, np.int64)


def _add(plan: Plan, row: bytes | None, events: Sequence[OracleEvent], begun: Gap | None = None) -> bytes | None:
    if not events:
        return row
    return update(plan, [row], _rows_of(len(events)), columns_of(list(events)), begun=begun)[0] or None


def _complete(plan: Plan, row: bytes | None, events: Sequence[OracleEvent]) -> bytes | None:
    """Position i of the log is event i's."""
    at = np.arange(1, len(events) + 1, dtype=np.uint64)
    rows = complete(plan, [row], _rows_of(len(events)), columns_of(list(events)), at, np.zeros(len(events), np.uint64))
    return rows[0] or None


def _translate(plan: Plan, old: Plan | None, row: bytes | None, position: int) -> bytes | None:
    if row is None:
        return None
    hi, lo = np.array([position], np.uint64), np.zeros(1, np.uint64)
    return translate(plan, None if old is None else old.keeps, [row], hi, lo)[0]


def _true_or_null(plan: Plan, row: bytes | None, whole: bytes | None, as_of: int) -> None:
    if row is None:
        return
    got, want = read(plan, [row], as_of).row(0), read(plan, [whole], as_of).row(0)
    assert all(value is None or value == want[name] for name, value in got.items()), (got, want)


@settings(max_examples=CASES, deadline=None)
@given(views(), event_lists(), st.data())
def test_a_row_begun_late_is_made_whole_by_the_past(view: View, events: list[OracleEvent], data: st.DataObject) -> None:
    plan = compile_view(replace(view, ttl_us=None))
    seen = data.draw(st.integers(0, len(events)))
    since = max((time for _, time, _ in events[:seen]), default=0) + 1
    row = _add(plan, None, events[seen:], Gap(since, seen, 0))
    whole = _add(plan, None, events)
    for later in (0, 10_000_000, 86_400_000_000):
        _true_or_null(plan, row, whole, NOW + later)
    # Of a customer of whom nothing is stored, only what was before the beginning is to be given.
    past = events[:seen]
    assert _complete(plan, row, events if row else past) == (whole if row else _add(plan, None, past))


@settings(max_examples=CASES, deadline=None)
@given(views(), views(), event_lists(), st.data())
def test_another_declaration_reuses_or_lacks_but_never_misreads(
    before: View, after: View, events: list[OracleEvent], data: st.DataObject
) -> None:
    old, plan = compile_view(replace(before, ttl_us=None)), compile_view(replace(after, ttl_us=None))
    first = data.draw(st.integers(0, len(events)))
    second = data.draw(st.integers(first, len(events)))
    row = _translate(plan, old, _add(old, None, events[:first]), first)
    row = _add(plan, row, events[first:second])
    whole = _add(plan, None, events[:second])
    for later in (0, 10_000_000, 86_400_000_000):
        _true_or_null(plan, row, whole, NOW + later)
    assert _complete(plan, row, events[:second]) == whole


@settings(max_examples=CASES, deadline=None)
@given(st.lists(views(), min_size=3, max_size=4), event_lists(), st.randoms(use_true_random=False))
def test_changes_of_changes_are_made_whole_too(
    chain: list[View], events: list[OracleEvent], chance: random.Random
) -> None:
    plans = [compile_view(replace(view, ttl_us=None)) for view in chain]
    cuts = sorted(chance.randint(0, len(events)) for _ in plans)
    row, last = _add(plans[0], None, events[: cuts[0]]), cuts[0]
    for old, plan, cut in zip(plans, plans[1:], cuts[1:], strict=False):
        row = _add(plan, _translate(plan, old, row, last), events[last:cut])
        last = cut
        _true_or_null(plan, row, _add(plan, None, events[:last]), NOW)
    assert _complete(plans[-1], row, events[:last]) == _add(plans[-1], None, events[:last])


@settings(max_examples=CASES, deadline=None)
@given(views(), event_lists(), st.booleans())
def test_the_same_layout_or_one_that_asks_for_less_lacks_nothing(
    view: View, events: list[OracleEvent], drop: bool
) -> None:
    old = compile_view(replace(view, ttl_us=None))
    kept = view.aggregations[: max(1, len(view.aggregations) // 2)] if drop else view.aggregations
    plan = compile_view(replace(view, aggregations=kept, ttl_us=None))
    row = _add(old, None, events)
    assert _translate(plan, old, row, len(events)) == _add(plan, None, events)


@settings(max_examples=CASES // 2, deadline=None)
@given(views(), event_lists())
def test_rows_of_version_1_are_those_without_gaps(view: View, events: list[OracleEvent]) -> None:
    plan = compile_view(view)
    row = _add(plan, None, events)
    if row is not None:
        version_1 = b"\1" + row[1:13] + row[14:]
        assert _translate(plan, plan, version_1, 1) == row


@settings(max_examples=CASES // 2, deadline=None)
@given(views(), event_lists())
def test_a_row_of_an_unknown_layout_lacks_all_but_its_time(view: View, events: list[OracleEvent]) -> None:
    plan = compile_view(replace(view, ttl_us=None))
    whole = _add(plan, None, events)
    row = _translate(plan, None, whole, len(events))
    if row is not None:
        _true_or_null(plan, row, whole, NOW + 1)
        assert _complete(plan, row, events) == whole


@settings(max_examples=CASES, deadline=None)
@given(views(), views(), event_lists(), st.data())
def test_a_damaged_row_is_refused_or_translated_but_never_crashes(
    before: View, after: View, events: list[OracleEvent], data: st.DataObject
) -> None:
    old, plan = compile_view(before), compile_view(after)
    row = _add(old, None, events, Gap(NOW - 1_000_000, 5, 7))
    if row is None:
        return
    damaged = bytearray(row)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    damaged = damaged[: data.draw(st.integers(1, len(damaged)))]
    for call in (
        lambda: _translate(plan, old, bytes(damaged), 3),
        lambda: _complete(old, bytes(damaged), events),
        lambda: read(old, [bytes(damaged)], NOW),
    ):
        try:
            call()
        except RowCorrupt as error:
            assert error.rows == (0,)


def test_a_gap_that_no_window_reaches_is_forgotten() -> None:
    view = View("v", {}, (_count(60_000_000),))
    plan = compile_view(view)
    row = update(plan, [None], _rows_of(1), _times(NOW), begun=Gap(NOW - 5, 1, 0))[0]
    assert read(plan, [row], NOW).row(0) == {"n": None}
    later = update(plan, [row], _rows_of(1), _times(NOW + 600_000_000))[0]
    assert later == update(plan, [None], _rows_of(1), _times(NOW + 600_000_000))[0]


@pytest.mark.parametrize("row", [b"", b"\7" * 40, b"\2"])
def test_what_is_no_row_is_refused(row: bytes) -> None:
    plan = compile_view(View("v", {}, (_count(60_000_000),)))
    with pytest.raises(RowCorrupt):
        translate(plan, plan.keeps, [row], np.zeros(1, np.uint64), np.zeros(1, np.uint64))
