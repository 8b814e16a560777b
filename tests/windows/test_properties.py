"""What the engine promises, on generated cases: the oracle's values, whatever the order, batching or source."""

from __future__ import annotations

import math
import os
import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rapport.errors import RowCorrupt
from rapport.testing.oracle import OracleEvent, oracle
from rapport.windows import STATUS_NAMES, Plan, View, compile_view, history, read, update
from tests.windows.strategies import NOW, columns_of, event_lists, views

CASES = int(os.environ.get("ORACLE_CASES", "60"))
ZERO = np.zeros(1, np.int64)


def _row(plan: Plan, batches: list[list[OracleEvent]]) -> bytes | None:
    row: bytes | None = None
    for batch in batches:
        row = update(plan, [row], np.zeros(len(batch), np.int64), columns_of(batch))[0] or None
    return row


def _same(want: object, got: object, function: str) -> bool:
    if isinstance(want, float) and isinstance(got, float):
        if math.isinf(want) or want == got:
            return want == got
        # Sums and means are rounded once; the root of an exact number is within a few units in the last place.
        return function == "std" and math.isclose(want, got, rel_tol=1e-14)
    return type(want) is type(got) and want == got


def _expect(view: View, events: list[OracleEvent], as_of_us: int, status: int, row: dict[str, object]) -> None:
    want_status, want = oracle(view, events, as_of_us)
    assert STATUS_NAMES[status] == want_status
    for a in view.aggregations:
        if a.function == "sum" and isinstance(want[a.name], int):
            want[a.name] = max(-(2**63), min(2**63 - 1, want[a.name]))
        assert _same(want[a.name], row[a.name], a.function), (a, want[a.name], row[a.name])


@settings(max_examples=CASES, deadline=None)
@given(views(), event_lists(), st.integers(0, 100 * 86_400_000_000), st.randoms(use_true_random=False))
def test_rows_and_history_agree_with_the_oracle(
    view: View, events: list[OracleEvent], later_us: int, chance: random.Random
) -> None:
    plan = compile_view(view)
    as_of = NOW + later_us
    cut = chance.randint(0, len(events))
    values = read(plan, [_row(plan, [events[:cut], events[cut:]])], as_of)
    _expect(view, events, as_of, values.status[0], values.row(0))

    ordered = sorted(events, key=lambda event: event[1])
    past = history(plan, columns_of(ordered), np.array([0, len(ordered)]), ZERO, np.array([as_of]))
    assert past.row(0) == values.row(0)
    np.testing.assert_array_equal(past.matrix(), values.matrix())


@settings(max_examples=CASES, deadline=None)
@given(views(), event_lists(), st.randoms(use_true_random=False))
def test_any_order_and_any_split_give_the_same_bytes(
    view: View, events: list[OracleEvent], chance: random.Random
) -> None:
    plan = compile_view(view)
    whole = _row(plan, [events])
    shuffled = list(events)
    chance.shuffle(shuffled)
    assert _row(plan, [[event] for event in shuffled]) == whole
    size = chance.randint(1, 7)
    assert _row(plan, [shuffled[i : i + size] for i in range(0, len(shuffled), size)]) == whole


@settings(max_examples=CASES // 3, deadline=None)
@given(views(), event_lists(max_size=15))
def test_history_agrees_with_the_oracle_at_every_prefix(view: View, events: list[OracleEvent]) -> None:
    plan = compile_view(view)
    ordered = sorted(events, key=lambda event: event[1])
    moments = np.array([time for _, time, _ in ordered] + [NOW], np.int64)
    starts, spine = np.array([0, len(ordered)]), np.zeros(len(moments), np.int64)
    values = history(plan, columns_of(ordered), starts, spine, moments)
    for i, as_of in enumerate(moments.tolist()):
        _expect(view, ordered, as_of, values.status[i], values.row(i))


@settings(max_examples=CASES // 3, deadline=None)
@given(st.lists(event_lists(max_size=8), min_size=2, max_size=5), views(), st.randoms(use_true_random=False))
def test_many_rows_at_once_do_not_mix(customers: list[list[OracleEvent]], view: View, chance: random.Random) -> None:
    plan = compile_view(view)
    mixed = [(place, event) for place, events in enumerate(customers) for event in events]
    chance.shuffle(mixed)
    places = np.array([place for place, _ in mixed], np.int64)
    rows = update(plan, [None] * len(customers), places, columns_of([event for _, event in mixed]))
    assert [row or None for row in rows] == [_row(plan, [events]) for events in customers]


@settings(max_examples=CASES, deadline=None)
@given(views(), event_lists(), st.data())
def test_a_damaged_row_is_refused_or_read_but_never_crashes(
    view: View, events: list[OracleEvent], data: st.DataObject
) -> None:
    plan = compile_view(view)
    row = _row(plan, [events])
    if row is None:
        return
    damaged = bytearray(row)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(5, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    damaged = damaged[: data.draw(st.integers(13, len(damaged)))]
    for call in (
        lambda: read(plan, [bytes(damaged)], NOW),
        lambda: update(plan, [bytes(damaged)], np.zeros(len(events), np.int64), columns_of(events)),
    ):
        try:
            call()
        except RowCorrupt as error:
            assert error.rows == (0,)
