"""Reasons, over values: each is found where it was planted, and a wrong value is never talked away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport.consistency.explain import Asked, CustomerEvents, Explained, explain
from rapport.consistency.reasons import (
    DEFINITION_CHANGED,
    FEATURES_STALE,
    IN_FLIGHT,
    LATE_EVENT,
    REBUILDING,
    UNEXPLAINED,
    UNKNOWN_DEFINITION,
)
from rapport.testing.feeding import events_of
from rapport.testing.oracle import oracle
from rapport.windows import Aggregation, Kind, Plan, View, compile_view

SECOND_US, HOUR_US = 1_000_000, 3_600_000_000
KINDS = {"amount": Kind.INT}
AS_OF_US = 1_700_000_000_000_000
SLACK_US = 2 * SECOND_US


def view(window_us: int = HOUR_US) -> View:
    return View(
        "v",
        KINDS,
        (
            Aggregation("n", "count", "", window_us, window_us // 12),
            Aggregation("total", "sum", "amount", None, None),
            Aggregation("since", "time_since_last", "", None, None),
        ),
    )


PLAN = compile_view(view())
Event = tuple[int, int, int]
"""(event time, arrival, amount), the times in microseconds before AS_OF_US: negative is later."""


def known(events: Sequence[Event]) -> CustomerEvents:
    ordered = sorted(events, key=lambda event: -event[0])
    rows = [(str(at), AS_OF_US - time, {"amount": amount}) for at, (time, _, amount) in enumerate(ordered)]
    arrivals = np.array([AS_OF_US - event[1] for event in ordered], np.int64)
    return CustomerEvents(events_of(KINDS, rows), arrivals, np.argsort(arrivals, kind="stable"))


def logged(events: Sequence[Event], declared: View | None = None) -> dict[str, Any]:
    """What a decision would have logged that knew these events."""
    rows = [
        (str(at), min(AS_OF_US - time, AS_OF_US), {"amount": amount}) for at, (time, _, amount) in enumerate(events)
    ]
    values = oracle(declared or view(), rows, AS_OF_US)[1]
    return {name: None if value is None else float(value) for name, value in values.items()}


def ask(
    events: Sequence[Event],
    values: Mapping[str, Any],
    *,
    then: Plan | None = PLAN,
    rebuilding: bool = False,
    stale: bool = False,
) -> Explained:
    """Why these values are not those of all the events."""
    truth = logged([event for event in events if event[0] >= 0])
    wrong = [name for name, value in values.items() if truth.get(name) != value]
    return explain(PLAN, known(events), Asked(AS_OF_US, values, wrong, SLACK_US, rebuilding, stale, then))


OLD = [(600 * SECOND_US, 600 * SECOND_US - 5_000, 3), (90 * SECOND_US, 90 * SECOND_US - 5_000, 4)]
LATE = (60 * SECOND_US, -30 * SECOND_US, 5)


def test_a_late_event() -> None:
    found = ask([*OLD, LATE], logged(OLD))
    assert set(found.reasons.values()) == {LATE_EVENT} and found.waited_us == 0
    assert set(found.reasons) == {"n", "total", "since"}


def test_a_customer_who_has_nothing_but_late_events() -> None:
    assert set(ask([LATE], logged([])).reasons.values()) == {LATE_EVENT}


@pytest.mark.parametrize(("waited_us", "stale", "reason"), [
    (40_000, False, IN_FLIGHT), (SLACK_US, False, IN_FLIGHT), (SLACK_US + 1, False, UNEXPLAINED),
    (SLACK_US + 1, True, FEATURES_STALE),
])  # fmt: skip
def test_an_event_that_was_on_its_way(waited_us: int, stale: bool, reason: str) -> None:
    found = ask([*OLD, (waited_us + 1_000, waited_us, 5)], logged(OLD), stale=stale)
    assert set(found.reasons.values()) == {reason}
    assert found.waited_us == (0 if reason == UNEXPLAINED else waited_us)


def test_an_event_that_was_read_though_it_came_after() -> None:
    values = {**logged([*OLD, (0, 0, 5)]), "since": -0.001}
    found = ask([*OLD, (-1_000, -2_000, 5)], values)
    assert set(found.reasons.values()) == {IN_FLIGHT} and found.waited_us == -2_000


def test_late_and_on_its_way_at_once() -> None:
    events = [*OLD, LATE, (50_000, 40_000, 7)]
    assert set(ask(events, logged(OLD)).reasons.values()) == {IN_FLIGHT}


def test_another_definition() -> None:
    then = view(10 * HOUR_US)
    events = [(3 * HOUR_US, 3 * HOUR_US, 1), *OLD]
    found = ask(events, logged(events, then), then=compile_view(then))
    assert found.reasons == {"n": DEFINITION_CHANGED}
    assert ask(events, logged(events, then), then=None).reasons == {"n": UNKNOWN_DEFINITION}
    assert ask(events, {**logged(events, then), "n": 7.0}, then=compile_view(then)).reasons == {"n": UNEXPLAINED}


def test_a_row_without_its_past() -> None:
    values = {**logged(OLD), "total": None, "n": 99.0}
    assert ask(OLD, values, rebuilding=True).reasons == {"total": REBUILDING, "n": UNEXPLAINED}
    assert ask(OLD, values).reasons == {"total": UNEXPLAINED, "n": UNEXPLAINED}


def test_a_feature_that_is_gone_is_computed_as_it_was() -> None:
    then = View("v", KINDS, (*view().aggregations, Aggregation("most", "max", "amount", None, None)))
    asked = Asked(AS_OF_US, logged(OLD, then), ["most"], SLACK_US, False, False, compile_view(then))
    assert explain(PLAN, known(OLD), asked).reasons == {"most": DEFINITION_CHANGED}
    broken = Asked(AS_OF_US, {**asked.logged, "most": 9.0}, ["most"], SLACK_US, False, False, compile_view(then))
    assert explain(PLAN, known(OLD), broken).reasons == {"most": UNEXPLAINED}


def test_a_wrong_value_is_not_talked_away_by_an_event_on_its_way() -> None:
    """`n` alone would fit the events without the newest one; the row as a whole does not."""
    events = [*OLD, (50_000, 40_000, 7)]
    values = {**logged(events), "n": 2.0}
    assert ask(events, values).reasons == {"n": UNEXPLAINED}


def test_a_wrong_value_beside_a_late_event() -> None:
    found = ask([*OLD, LATE], {**logged(OLD), "total": 1_000.0})
    assert found.reasons == {"n": LATE_EVENT, "since": LATE_EVENT, "total": UNEXPLAINED}


_EVENTS = st.lists(
    st.tuples(st.integers(0, 4_000 * SECOND_US), st.integers(-10 * SECOND_US, 10 * SECOND_US), st.integers(1, 9)).map(
        lambda event: (event[0], min(event[0], event[1]), event[2])
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda event: event[1],
)


@given(_EVENTS, st.integers(0, SLACK_US))
def test_whatever_the_store_had_applied_is_found(events: list[Event], behind_us: int) -> None:
    """Any events, in any order of arrival; the store had applied those that came `behind_us` before the decision."""
    applied = [event for event in events if event[1] >= behind_us]
    found = ask(events, logged(applied))
    assert UNEXPLAINED not in found.reasons.values()
    assert found.waited_us <= SLACK_US


@given(_EVENTS, st.sampled_from(["n", "total"]))
def test_a_corrupted_value_is_never_explained(events: list[Event], name: str) -> None:
    values = {**logged(events), name: 12_345.0}
    assert ask(events, values).reasons[name] == UNEXPLAINED
