"""Each fault that is planted in the last day is found under its name, and a week without faults gives nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rapport.archive import Archive
from rapport.audit.findings import Finding, compare
from rapport.audit.judge import judge, learning
from rapport.audit.letters import ELSEWHERE
from rapport.audit.profile import Profile, Refusal
from rapport.audit.scan import scan
from rapport.audit.span import DAY_US, HOUR_US, Span
from rapport.audit.volume import volume_learning
from rapport.testing.weeks import TOPIC, UNTIL_US, Columns, Plant, append, fill, one_day

ROWS = 800
Random = np.random.Generator


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty days, and no audited one."""
    folder = tmp_path_factory.mktemp("history")
    fill(Archive(folder), rows=ROWS, last=1)
    return folder


Audit = Callable[[list[Plant]], dict[str, Finding]]


@pytest.fixture
def audited(history: Path, tmp_path: Path) -> Audit:
    """Findings on a last day with something planted, by check, field and what."""

    def audit(plants: list[Plant]) -> dict[str, Finding]:
        shutil.copytree(history, tmp_path / "archive")
        archive, random = Archive(tmp_path / "archive"), np.random.default_rng(77)
        columns = one_day(0, ROWS, random)
        for plant in plants:
            plant(columns, random)
        append(archive, columns, 1_000)
        profile = scan(archive, TOPIC, Span(UNTIL_US))
        return {finding.id.removeprefix(f"{TOPIC}/"): finding for finding in judge(profile)}

    return audit


def _some(columns: Columns, random: Random, share: float) -> Any:
    return random.random(len(columns["event_id"])) < share


def _nothing(columns: Columns, random: Random) -> None: ...


def _missing(columns: Columns, random: Random) -> None:
    columns["product_id"][_some(columns, random, 0.04)] = None


def _price_gone(columns: Columns, random: Random) -> None:
    columns["price_micros"][:] = None


def _new_ids(columns: Columns, random: Random) -> None:
    some = _some(columns, random, 0.1)
    columns["session_id"][some] = [f"{random.bytes(16).hex()}" for _ in range(some.sum())]


def _new_value(columns: Columns, random: Random) -> None:
    columns["page"][_some(columns, random, 0.03)] = "/spring"


def _spelling(columns: Columns, random: Random) -> None:
    columns["page"][_some(columns, random, 0.04)] = " /Cart"


def _mix(columns: Columns, random: Random) -> None:
    columns["action"][_some(columns, random, 0.3)] = "checkout"


def _cents(columns: Columns, random: Random) -> None:
    some = _some(columns, random, 0.3) & (columns["price_micros"] != np.array(None))
    columns["price_micros"][some] *= 100


def _one_price(columns: Columns, random: Random) -> None:
    columns["price_micros"][np.flatnonzero(columns["price_micros"])[0]] = 10**12


def _dearer(columns: Columns, random: Random) -> None:
    given = columns["price_micros"] != np.array(None)
    columns["price_micros"][given] = [price * 3 // 2 for price in columns["price_micros"][given]]


def _late(columns: Columns, random: Random) -> None:
    columns["event_time"][_some(columns, random, 0.06)] -= 2 * HOUR_US


def _slower(columns: Columns, random: Random) -> None:
    columns["event_time"] -= 20_000_000


def _ahead(columns: Columns, random: Random) -> None:
    some = _some(columns, random, 0.03)
    columns["event_time"][some] = columns["arrival_time"][some]
    columns["claimed_time"][some] = columns["arrival_time"][some] + 60_000_000


def _repeats(columns: Columns, random: Random) -> None:
    first = slice(0, 20)
    for name, values in columns.items():
        again = values[first] + 900_000_000 if name == "arrival_time" else values[first]
        columns[name] = np.concatenate([values, again])


def _twins(columns: Columns, random: Random) -> None:
    _repeats(columns, random)
    columns["event_id"][-20:] = [f"99-{i + 10**7}" for i in range(20)]


def _conflicts(columns: Columns, random: Random) -> None:
    columns["event_id"][:20] = columns["event_id"][20:40]


def _keep(columns: Columns, kept: Any) -> None:
    for name in columns:
        columns[name] = columns[name][kept]


def _fewer(columns: Columns, random: Random) -> None:
    _keep(columns, _some(columns, random, 0.3))


def _thrice(columns: Columns, random: Random) -> None:
    more = {name: np.concatenate([values, values, values]) for name, values in columns.items()}
    more["event_id"] = np.array([f"99-{i + 10**7}" for i in range(len(more["event_id"]))], object)
    more["event_time"] = more["event_time"] - np.arange(len(more["event_time"]))
    columns.update(more)


def _outage(columns: Columns, random: Random) -> None:
    hour = (columns["arrival_time"] - (UNTIL_US - DAY_US)) // HOUR_US
    _keep(columns, (hour < 12) | (hour > 13))


def _silence(columns: Columns, random: Random) -> None:
    _keep(columns, slice(0, 0))


@pytest.mark.parametrize(
    ("plants", "expected"),
    [
        ([_nothing], {}),
        (
            [_missing, _new_ids, _spelling, _one_price, _conflicts, _ahead],
            {
                "missing/product_id/missing": "warning",
                "formats/session_id/new_shape": "alarm",
                "formats/page/new_value": "warning",
                "formats/page/spelling": "warning",
                "ranges/price/greatest": "warning",
                "duplicates//conflicts": "warning",
                "future//ahead": "warning",
            },
        ),
        (
            [_price_gone, _new_value, _mix, _late, _twins],
            {
                "missing/price/missing": "alarm",
                "formats/page/new_value": "warning",
                "formats/action/value:checkout": "warning",
                "formats/action/value:view": "warning",
                "late//late": "alarm",
                "duplicates//twins": "warning",
            },
        ),
        (
            [_cents, _slower, _repeats],
            {"ranges/price/range": "alarm", "late/lateness_s/range": "alarm", "duplicates//repeats": "warning"},
        ),
        ([_dearer, _outage], {"ranges/price/moved": "warning", "volume//empty_hours": "alarm"}),
        ([_fewer], {"volume//rows": "alarm"}),
        ([_thrice], {"volume//rows": "alarm"}),
        ([_silence], {"volume//rows": "alarm", "volume//empty_hours": "alarm"}),
    ],
)
def test_what_is_planted_is_found_under_its_name_and_nothing_else(
    audited: Audit, plants: list[Plant], expected: dict[str, str]
) -> None:
    found = audited(plants)
    beside = {"volume//odd_hours"} if "volume//rows" in expected else set()
    assert {key: one.severity for key, one in found.items() if key not in beside} == expected
    for one in found.values():
        assert one.text and one.advice.endswith(".") and "{" not in one.text
        assert UNTIL_US - DAY_US <= one.since_us < UNTIL_US


def test_little_history_is_learned_and_never_alarms(tmp_path: Path) -> None:
    for days, is_learning in ((7, True), (9, False)):
        archive = Archive(tmp_path / str(days))
        fill(archive, _price_gone, rows=300, days=days)
        profile = scan(archive, TOPIC, Span(UNTIL_US))
        assert bool(learning(profile)) == is_learning and volume_learning(profile)
        assert {finding.check for finding in judge(profile)} == (set() if is_learning else {"missing"})


def test_since_when_is_read_off_history() -> None:
    profile = _profile([])
    profile.missing["page"] = np.array([300] * 3 + [2] * 26)
    profile.rows[14] = 0
    (finding,) = judge(profile)
    assert (finding.what, finding.since_us) == ("missing", UNTIL_US - 3 * DAY_US)


def _profile(refused: list[Refusal], letters_known: int = 28) -> Profile:
    profile = Profile(TOPIC, Span(UNTIL_US), known=28, letters_known=letters_known)
    profile.rows[:] = 1_000
    profile.hours = np.full((29, 24), 40)
    profile.refused = refused
    return profile


def test_dead_letters_are_judged_under_the_check_of_their_reason() -> None:
    reasons = ("missing_field", "bad_json", "duplicate", "future_event", "no_customer")
    refused = [Refusal(reason, "") for reason in reasons]
    for one in refused:
        one.rows[:], one.rows[0] = 2, 60
    found = judge(_profile(refused))
    assert [(one.check, one.what.partition(":")[2]) for one in found] == [
        ("missing", "missing_field"),
        ("formats", "bad_json"),
        ("duplicates", "duplicate"),
        ("future", "future_event"),
        ("missing", "no_customer"),
    ]
    assert all("deadletters" in one.advice for one in found if one.check != "duplicates")
    assert judge(_profile(refused, letters_known=5)) == []
    refused[0].rows[:] = 60
    assert "missing_field" not in {one.what.partition(":")[2] for one in judge(_profile(refused))}


def test_letters_of_no_topic_are_judged_by_how_many_they_are() -> None:
    profile = Profile(ELSEWHERE, Span(UNTIL_US), known=28, letters_known=28, refused=[Refusal("unmapped", "total")])
    profile.refused[0].rows[:] = 5
    assert judge(profile) == []
    profile.refused[0].rows[0] = 90
    (finding,) = judge(profile)
    assert (finding.check, finding.unit, finding.now, finding.usual) == ("formats", "events", 90, 5)
    assert "--topic" not in finding.advice and "--reason unmapped" in finding.advice
    profile.letters_known = 13
    assert judge(profile) == []


def _finding(what: str, **more: Any) -> Finding:
    given = {
        "topic": TOPIC, "check": "missing", "field": "page", "severity": "alarm", "since_us": 100, "unit": "share",
        "now": 1.0, "usual": 0.0, "low": 0.0, "high": 0.1, "last_week": 0.0, "events": 9, "text": "t", "advice": "a.",
    }  # fmt: skip
    return Finding(what=what, **(given | more))


def test_findings_are_new_once_then_ongoing_then_resolved() -> None:
    first, _ = compare([_finding("a", severity="warning"), _finding("b")], [])
    assert [(one.what, one.status) for one in first] == [("b", "new"), ("a", "new")]
    second, gone = compare([_finding("a", since_us=500), _finding("c", severity="info")], first)
    assert [(one.what, one.status, one.since_us) for one in second] == [("c", "new", 100), ("a", "ongoing", 100)]
    assert [(one.what, one.status) for one in gone] == [("b", "resolved")]
    third, gone = compare([], second, lambda finding: finding.what == "a")
    assert [(one.what, one.status) for one in third] == [("a", "ongoing")] and [one.what for one in gone] == ["c"]
