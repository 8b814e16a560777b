"""The decision to retrain, over all reports that can be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from monitoring.decide import retrain_decision
from monitoring.summary import ColumnDrift, Summary
from rapport.settings import Settings

SETTINGS = Settings(root=Path("/p"), data_dir=Path("/p/.rapport"))
NOW_US = 1_700_000_000_000_000


def column(name: str, psi: float) -> ColumnDrift:
    return ColumnDrift(
        name=name,
        psi=psi,
        drifted=psi >= 0.2,
        mean_reference=None,
        mean_current=1.0,
        missing_reference=0.0,
        missing_current=0.0,
    )


def summary(indices: list[float], rows: int) -> Summary:
    return Summary(
        model="m",
        version="1",
        time_us=NOW_US,
        since_us=0,
        until_us=1,
        rows=rows,
        excluded=0,
        compared=rows,
        reference_rows=1_000,
        threshold=0.2,
        columns=tuple(column(f"v__f{i}", psi) for i, psi in enumerate(indices)),
        score=None,
        html="",
        json="",
    )


indices = st.lists(st.floats(0, 5), max_size=30)
ages = st.none() | st.integers(0, 10 * 3600 * 1_000_000)


@given(indices, st.integers(0, 2_000), ages, st.floats(0, 1), st.integers(10, 1_000), st.integers(0, 7_200))
def test_retrains_exactly_when_all_three_conditions_hold(
    psi: list[float], rows: int, age_us: int | None, share: float, min_rows: int, cooldown_s: int
) -> None:
    settings = replace(SETTINGS, drift_share=share, drift_min_rows=min_rows, drift_cooldown_s=cooldown_s)
    drifted = sum(value >= 0.2 for value in psi)
    expected = (
        drifted > 0
        and drifted / len(psi) >= share
        and rows >= min_rows
        and (age_us is None or age_us >= cooldown_s * 1_000_000)
    )
    last = None if age_us is None else NOW_US - age_us
    decision = retrain_decision(summary(psi, rows), last, NOW_US, settings)
    assert decision.retrain is expected
    assert decision.reason


@given(indices, st.integers(0, 2_000), ages, st.integers(0, 29))
def test_more_drift_never_stops_a_retraining(psi: list[float], rows: int, age_us: int | None, at: int) -> None:
    last = None if age_us is None else NOW_US - age_us
    worse = [9.0 if i == at else value for i, value in enumerate(psi)]
    before = retrain_decision(summary(psi, rows), last, NOW_US, SETTINGS).retrain
    assert retrain_decision(summary(worse, rows), last, NOW_US, SETTINGS).retrain >= before


def test_the_reason_says_what_and_how_much() -> None:
    found = summary([0.0, 3.0, 0.5], 800)
    assert retrain_decision(found, None, NOW_US, SETTINGS).reason == (
        "2 of 3 features drifted (67%), at or above 30%: v__f1, v__f2"
    )
    assert "wait 3540 s more" in retrain_decision(found, NOW_US - 60_000_000, NOW_US, SETTINGS).reason
    few = msgspec.structs.replace(found, rows=20)
    assert retrain_decision(few, None, NOW_US, SETTINGS).reason == "20 decisions in the window; 500 are needed"
