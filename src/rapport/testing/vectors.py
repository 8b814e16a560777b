"""Published window cases (`windows.jsonl`): events of one customer, a declaration, a time, and what must come out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from rapport.windows.view import Aggregation, Kind, View

__all__ = ["KINDS", "Case", "load_cases", "matches"]

KINDS = {"amount": Kind.FLOAT, "qty": Kind.INT, "item": Kind.STRING, "flag": Kind.BOOL}
"""The columns of every case's events."""

_FLOAT_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Case:
    """One case. `events` has each event once, with event_id, event_time_us and values, in order of arrival."""

    name: str
    view: View
    events: list[dict[str, Any]]
    as_of_us: int
    status: str
    expected: dict[str, Any]


def load_cases(path: Path | None = None) -> list[Case]:
    """All cases of a file (default: windows.jsonl beside the project, in ../shared/vectors); none when it is absent."""
    path = path or _default_path()
    if not path.is_file():
        return []
    return [_case(msgspec.json.decode(line)) for line in path.read_bytes().splitlines()]


def matches(case: Case, features: dict[str, Any]) -> list[str]:
    """What differs from the expected features, a line each: exact but for floats (1e-9 of the inputs' absolute sum, at
    least 1e-9; std 1e-9 relative)."""
    known = [event["values"] for event in case.events if event["event_time_us"] <= case.as_of_us]
    wrong = []
    for a in case.view.aggregations:
        want, got = case.expected[a.name], features[a.name]
        size = sum(abs(v[a.column] or 0) for v in known) if a.column in ("amount", "qty", "flag") else 0
        if not _equal(want, got, a.function, size):
            wrong.append(f"{a.name}: {got!r} instead of {want!r}")
    return wrong


def _equal(want: Any, got: Any, function: str, size: float) -> bool:
    if want is None or got is None:
        return want is got
    if isinstance(want, float) or isinstance(got, float):
        allowed = abs(want) if function == "std" else max(1.0, size)
        return bool(abs(want - got) <= _FLOAT_TOLERANCE * allowed)
    return type(want) is type(got) and bool(want == got)


def _case(raw: dict[str, Any]) -> Case:
    aggregations = tuple(
        Aggregation(a["name"], a["function"], a["column"], a["window_us"], a["slide_us"]) for a in raw["aggregations"]
    )
    return Case(
        name=raw["name"],
        view=View("case", KINDS, aggregations, raw["ttl_us"]),
        events=list({event["event_id"]: event for event in raw["events"]}.values()),
        as_of_us=raw["as_of_us"],
        status=raw["status"],
        expected=raw["expected"],
    )


def _default_path() -> Path:
    return Path(__file__).parents[3].parent / "shared" / "vectors" / "windows.jsonl"
