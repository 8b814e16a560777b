"""What the archive's rows are counted to, against the naive oracle; and that samples bound what is held."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rapport.archive import DECISIONS, TOPICS, Archive, arrow_schema
from rapport.audit.fields import fields_of
from rapport.audit.letters import days_known
from rapport.audit.profile import SHARES, Profile
from rapport.audit.scan import Limits, scan
from rapport.audit.shapes import shape_sql
from rapport.audit.span import DAY_US, HOUR_US, Span
from rapport.bus.protocol import Position
from rapport.errors import SettingsError
from rapport.events.fields import field_types
from rapport.testing.weeks import TOPIC, UNTIL_US, fill
from tests.audit import naive

LATE_US = HOUR_US
FIELDS = [field.name for field in fields_of(TOPIC)]
STORED = {"price": "price_micros"}


def _times() -> st.SearchStrategy[int]:
    """Arrivals about the edges of windows and hours, and before and after all of them."""
    edges = st.integers(0, 31).flatmap(
        lambda day: st.sampled_from([0, HOUR_US, 3 * HOUR_US, 5 * HOUR_US]).map(
            lambda off: UNTIL_US - day * DAY_US - off
        )
    )
    return st.builds(lambda edge, off: edge + off, edges, st.integers(-2, 2) | st.integers(-HOUR_US, HOUR_US))


@st.composite
def _events(draw: st.DrawFn) -> list[naive.Event]:
    """Rows of few values, so that ids and contents meet."""
    found = []
    for _ in range(draw(st.integers(0, 25))):
        arrival = draw(_times())
        lateness = draw(st.sampled_from([0, 1, LATE_US, LATE_US + 1, 40 * DAY_US]))
        ahead = draw(st.booleans()) and not lateness
        found.append(
            {
                "event_id": draw(st.sampled_from(["a", "b", "c", "d"])),
                "customer_id": draw(st.sampled_from(["anna", "bob"])),
                "event_time": arrival - lateness,
                "claimed_time": arrival + 5 if ahead else None,
                "arrival_time": arrival,
                "schema_version": 1,
                "action": draw(st.sampled_from(["view", "checkout"])),
                "page": draw(st.sampled_from([None, "/", "/Cart", "/cart", ""])),
                "price_micros": draw(st.sampled_from([None, 0, 1_000_000, 2_500_000, 9_000_000_000])),
                "quantity": draw(st.integers(1, 4)),
            }
        )
    # Repeats, and twins, that chance would hardly make.
    for event in list(found):
        kind = draw(st.sampled_from(["", "", "", "repeat", "twin"]))
        if kind:
            later = draw(st.sampled_from([1, 20 * 60_000_000, DAY_US]))
            arrival = event["arrival_time"] + later
            claimed = event["event_time"] if event["claimed_time"] is None else event["claimed_time"]
            again = event | {"arrival_time": arrival, "event_time": min(claimed, arrival)}
            again["claimed_time"] = claimed if claimed > arrival else None
            found.append(again | ({"event_id": "twin"} if kind == "twin" else {}))
    return _apart(found)


def _apart(events: list[naive.Event]) -> list[naive.Event]:
    """No two arrive at the same time: which of them came first would be a matter of taste."""
    return list({event["arrival_time"]: event for event in events}.values())


def _archive(folder: Path, events: list[naive.Event]) -> Archive:
    archive, schema = Archive(folder), arrow_schema(TOPIC)
    if events:
        arrays = [pa.array([event.get(field.name) for event in events], field.type) for field in schema]
        archive.append(TOPIC, pa.table(arrays, schema=schema), writer="w", position=Position(1, 0))
    return archive


@settings(max_examples=20)
@given(events=_events(), hours=st.sampled_from([1, 3, 24]), twice=st.booleans())
@example(events=[], hours=24, twice=False)
def test_everything_is_counted_as_the_naive_way_does(events: list[naive.Event], hours: int, twice: bool) -> None:
    span = Span(UNTIL_US, hours * HOUR_US)
    with tempfile.TemporaryDirectory() as folder:
        profile = scan(_archive(Path(folder), events), TOPIC, span, Limits(late_us=LATE_US))
    full = [dict.fromkeys(arrow_schema(TOPIC).names) | event for event in events]
    expected = naive.counts(full, span, LATE_US, [STORED.get(name, name) for name in FIELDS])
    assert profile.rows.tolist() == expected["rows"]
    assert profile.hours.tolist() == expected["hours"]
    assert profile.late.tolist() == expected["late"]
    assert profile.ahead.tolist() == expected["ahead"]
    if events:
        assert profile.known == naive.days_known(full, span)
    for name, missing in profile.missing.items():
        assert missing.tolist() == expected[STORED.get(name, name)], name
    if profile.rows.sum():
        _same_duplicates(profile, naive.duplicates(full, span))
        _same_texts(profile, full)
        _same_numbers(profile, full)


def _same_duplicates(profile: Profile, expected: dict[str, list[int]]) -> None:
    for kind, rows in expected.items():
        assert getattr(profile, kind).tolist() == rows, kind


def _same_texts(profile: Profile, events: list[naive.Event]) -> None:
    for name in ("event_id", "page", "action"):
        values = naive.texts(events, profile.span, name)
        shapes: dict[tuple[str, int], int] = {}
        for (value, day), rows in values.items():
            key = (naive.shape(value), day)
            shapes[key] = shapes.get(key, 0) + rows
        assert _told(profile.shapes[name]) == shapes, name
        if name != "event_id":
            assert _told(profile.words[name]) == values, name
            past = [value for value, day in values if day]
            once = [value for value in set(past) if sum(n for (v, day), n in values.items() if v == value and day) == 1]
            assert profile.words[name].rare == len(once)


def _told(counted: Any) -> dict[tuple[str, int], int]:
    assert not counted.left_out.any()
    days, places = np.nonzero(counted.counts)
    return {(counted.names[i], int(day)): int(counted.counts[day, i]) for day, i in zip(days, places, strict=True)}


def _same_numbers(profile: Profile, events: list[naive.Event]) -> None:
    given_on = [(naive.day_of(event, profile.span), event["price_micros"]) for event in events]
    by_day = [[value / 1e6 for day, value in given_on if day == which and value is not None] for which in range(29)]
    numbers, past = profile.numbers["price"], [value for day in by_day[1:] for value in day]
    assert numbers.given.tolist() == [len(day) for day in by_day]
    if by_day[0]:
        assert numbers.now.tolist() == [naive.quantile(by_day[0], share) for share in SHARES]
        assert (numbers.least[0], numbers.greatest[0]) == (min(by_day[0]), max(by_day[0]))
    if not past:
        return
    low, first, half, third, high = (naive.quantile(past, share) for share in SHARES)
    assert numbers.before.tolist() == [low, first, half, third, high]
    assert numbers.low.tolist() == [sum(value < low for value in day) for day in by_day]
    assert numbers.high.tolist() == [sum(value > high for value in day) for day in by_day]
    for i, quarter in enumerate((first, half, third)):
        assert numbers.quarters[:, i].tolist() == [sum(value <= quarter for value in day) for day in by_day]
    least, most = 2 * min(past) - half, 2 * max(past) - half
    assert numbers.beyond.tolist() == [sum(value < least or value > most for value in day) for day in by_day]


@settings(max_examples=120)
@example("??é?")
@given(
    st.text(max_size=40)
    | st.text(alphabet="aZ9-_@.:/ \n\tf0é", max_size=30)
    | st.from_regex(r"[a-z]{2}-[A-Z]{2}|[0-9a-f]{12,20}|\d{4}-\d\d-\d\dT\d\d:\d\dZ|[a-z]+@[a-z]+\.de", fullmatch=True)
    | st.uuids().map(str)
)
def test_shapes_are_those_of_the_definition(text: str) -> None:
    query = f"SELECT {shape_sql('text')} FROM (SELECT CAST(? AS VARCHAR) AS text)"
    try:
        found = _CONNECTION.execute(query, [text]).fetchall()[0][0]
    except UnicodeEncodeError:
        return
    assert found == naive.shape(text)


_CONNECTION = duckdb.connect()


def test_a_null_has_no_shape() -> None:
    assert duckdb.sql(f"SELECT {shape_sql('CAST(NULL AS VARCHAR)')}").fetchall() == [(None,)]


@pytest.mark.parametrize("topic", TOPICS)
def test_each_field_of_an_event_is_looked_at_and_can_be_asked_for(topic: str, tmp_path: Path) -> None:
    if topic != DECISIONS:
        names = {field.name for field in field_types(topic)} - {"event_time", "schema_version"}
        assert {field.name for field in fields_of(topic)} == names
    rows = pa.table(
        [pa.array([_filler(field)], field.type) for field in arrow_schema(topic)], schema=arrow_schema(topic)
    )
    archive = Archive(tmp_path)
    archive.append(topic, rows, writer="w", position=Position(1, 0))
    profile = scan(archive, topic, Span(DAY_US))
    assert profile.rows[0] == 1
    assert not any(missing[0] for missing in profile.missing.values())


def _filler(field: pa.Field) -> Any:
    return "x" if pa.types.is_string(field.type) else True if pa.types.is_boolean(field.type) else 1


def test_samples_and_limits_bound_what_is_held(tmp_path: Path) -> None:
    archive = Archive(tmp_path)

    def plant(columns: dict[str, Any], random: np.random.Generator) -> None:
        columns["page"] = np.array([f"/{n}" for n in range(len(columns["page"]))], object)

    fill(archive, plant, rows=400)
    whole = scan(archive, TOPIC, Span(UNTIL_US))
    part = scan(archive, TOPIC, Span(UNTIL_US), Limits(now=100, history=1_000, ids=2_000, shapes=5, words=7))
    assert part.rows.tolist() == whole.rows.tolist()
    assert 50 < part.sampled[0] < 200 and 500 < part.sampled[1:].sum() < 2_000
    assert part.thinned == 2_000 / whole.rows.sum() and 1_500 < part.checked.sum() < 2_500
    pages = part.words["page"]
    assert len(pages.names) == 3 + 7 and pages.complete
    assert pages.left_out[0] == part.sampled[0] - 7 and not pages.left_out[1:].any()
    assert "product_id" not in part.words
    again = scan(archive, TOPIC, Span(UNTIL_US), Limits(now=100, history=1_000, ids=2_000))
    assert again.sampled.tolist() == part.sampled.tolist()


def test_values_of_few_customers_are_told_by_their_shape(tmp_path: Path) -> None:
    archive = Archive(tmp_path)

    def plant(columns: dict[str, Any], random: np.random.Generator) -> None:
        columns["page"][:6] = "/account/Anna"
        columns["customer_id"][:6] = "c-1"

    fill(archive, plant, rows=100)
    words = scan(archive, TOPIC, Span(UNTIL_US)).words["page"]
    labels = dict(zip(words.names, words.labels, strict=True))
    assert labels["/account/Anna"] == "‹/a/Aa›" and labels["/cart"] == "/cart"


def test_a_window_is_whole_hours_of_at_most_a_day() -> None:
    for length in (0, HOUR_US // 2, DAY_US + HOUR_US, 90 * 60_000_000):
        with pytest.raises(SettingsError, match="whole hours"):
            Span(UNTIL_US, length)


def test_letters_are_known_as_long_as_they_are_kept() -> None:
    span = Span(UNTIL_US)
    assert days_known(span, UNTIL_US, 0) == 28
    assert days_known(span, UNTIL_US, 30) == 28
    assert days_known(span, UNTIL_US, 8) == 7
    assert days_known(span, UNTIL_US + 90 * DAY_US, 30) == 0
