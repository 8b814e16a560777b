"""Every test vector through get_historical_features of a real store: one customer per case, one view per ttl."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from rapport.windows import STATUS_NAMES
from tests.feast.offline_repo import aggregation, source_at, store_in, view_of_source, write_events

_FILE = Path(__file__).parents[3] / "shared" / "vectors" / "windows.jsonl"
Case = dict[str, Any]


def _key(declared: dict[str, Any]) -> tuple[Any, ...]:
    return declared["function"], declared["column"], declared["window_us"], declared["slide_us"]


def _tolerance(case: Case, declared: dict[str, Any], expected: float) -> float:
    if declared["function"] == "std":
        return 1e-9 * abs(expected)
    inputs = [event["values"].get(declared["column"]) for event in case["events"]]
    return 1e-9 * max(1.0, sum(abs(x) for x in inputs if isinstance(x, int | float)))


def _check(case: Case, row: dict[str, Any], status: str) -> None:
    assert status == case["status"], case["name"]
    for declared in case["aggregations"]:
        expected, seen = case["expected"][declared["name"]], row[aggregation(*_key(declared)).name]
        where = (case["name"], declared["name"])
        if expected is None or pd.isna(seen):
            assert expected is None, where
            assert pd.isna(seen), where
        elif isinstance(expected, float):
            assert math.isclose(seen, expected, rel_tol=0, abs_tol=_tolerance(case, declared, expected)), where
        else:
            assert seen == expected, where


@pytest.mark.skipif(not _FILE.is_file(), reason=f"the test vectors are not at {_FILE}")
def test_history_gives_every_vector(tmp_path: Path) -> None:
    cases: list[Case] = [json.loads(line) for line in _FILE.read_text().splitlines()]
    by_ttl: dict[int | None, list[tuple[str, Case]]] = defaultdict(list)
    events = []
    for number, case in enumerate(cases):
        by_ttl[case["ttl_us"]].append((f"c{number}", case))
        once = {event["event_id"]: event for event in case["events"]}
        events += [(f"c{number}", event["event_time_us"], event["values"]) for event in once.values()]
    write_events(tmp_path / "events.parquet", events)
    source = source_at(tmp_path / "events.parquet")
    views = {}
    for ttl, members in by_ttl.items():
        wanted = sorted({_key(declared) for _, case in members for declared in case["aggregations"]}, key=str)
        views[ttl] = view_of_source(f"ttl_{ttl}", source, [aggregation(*key) for key in wanted], ttl)
    store = store_in(tmp_path, list(views.values()))
    for ttl, members in by_ttl.items():
        spine = pd.DataFrame(
            {
                "customer_id": [customer for customer, _ in members],
                "event_timestamp": pd.to_datetime([case["as_of_us"] for _, case in members], unit="us", utc=True),
            }
        )
        features = [f"{views[ttl].name}:{field.name}" for field in views[ttl].features]
        job = store.get_historical_features(spine, features)
        statuses = job.statuses()[views[ttl].name]
        for (_, case), row, status in zip(members, job.to_df().to_dict("records"), statuses, strict=True):
            _check(case, row, STATUS_NAMES[status])
