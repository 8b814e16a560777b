"""The published window cases through the core: rows in two batches, history from sorted events, and the oracle."""

from __future__ import annotations

import numpy as np
import pytest

from rapport.testing.oracle import oracle
from rapport.testing.vectors import KINDS, Case, load_cases, matches
from rapport.windows import STATUS_NAMES, Events, Values, column_of, compile_view, history, read, update

CASES = load_cases()


def _events(case_events: list[dict[str, object]]) -> Events:
    times = np.array([event["event_time_us"] for event in case_events], np.int64)
    columns = {name: column_of(kind, [e["values"].get(name) for e in case_events]) for name, kind in KINDS.items()}  # type: ignore[attr-defined]
    return Events(times, columns)


def _check(case: Case, values: Values) -> None:
    assert STATUS_NAMES[values.status[0]] == case.status
    assert matches(case, values.row(0)) == []


@pytest.mark.skipif(not CASES, reason="../shared/vectors is not there")
def test_there_are_423_cases() -> None:
    assert len(CASES) == 423


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case) -> None:
    plan = compile_view(case.view)
    known = [event for event in case.events if event["event_time_us"] <= case.as_of_us]
    row: bytes | None = None
    for part in (known[: len(known) // 3], known[len(known) // 3 :]):
        row = update(plan, [row], np.zeros(len(part), np.int64), _events(part))[0] or None
    online = read(plan, [row], case.as_of_us)
    _check(case, online)

    ordered = sorted(case.events, key=lambda event: event["event_time_us"])
    spine = np.zeros(1, np.int64)
    past = history(plan, _events(ordered), np.array([0, len(ordered)]), spine, np.array([case.as_of_us]))
    _check(case, past)
    assert past.row(0) == online.row(0)

    status, features = oracle(
        case.view, [(e["event_id"], e["event_time_us"], e["values"]) for e in case.events], case.as_of_us
    )
    assert status == case.status
    assert matches(case, features) == []
