"""Audits of what a real ingest flow has archived and refused: reports, what changed, figures, command, schedule."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from flows.archive import archive
from flows.ingest import ingest
from flows.runtime import Runtime, make_runtime
from rapport.audit import AuditReport, audits_folder, newest_audit
from rapport.audit.letters import ELSEWHERE, count_refused
from rapport.audit.report import schema_text
from rapport.audit.run import Audited, Question, audit
from rapport.audit.schedule import watch
from rapport.audit.span import DAY_US, Span
from rapport.audit.store import last_findings, list_audits, only_one
from rapport.bus import Message
from rapport.cli.main import run
from rapport.clock import WorldClock, from_us
from rapport.dead_letters import DEAD_LETTERS, DeadLetter
from rapport.errors import ArchiveError, ServiceError
from rapport.metrics.audits import audit_families
from rapport.settings import Settings, load_settings
from tests.source_tree import ROOT

TOPIC = "feedback"
FIRST_US = 1_700_000_000_000_000
TODAY = 9


class World:
    """An installation whose days are lived through one by one."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.runtime: Runtime = make_runtime(replace(settings, archive_every_s=0.05))
        self._number = 0

    def close(self) -> None:
        self.runtime.bus.close()  # type: ignore[attr-defined]

    def clock(self, day: int) -> WorldClock:
        """A clock that stands at a day's evening."""
        return WorldClock(0, FIRST_US + day * DAY_US, 0.0)

    def live(self, day: int, good: int, *raw: bytes, **fields: Any) -> None:
        """A day: feedback of `good` customers, whatever else is given, then ingest and archive over all of it."""
        messages = [Message(TOPIC, "anna", value) for value in raw]
        for n in range(good):
            self._number += 1
            event = {
                "event_id": f"f{self._number}",
                "customer_id": f"anna{n}@example.com",
                "nps": n % 11,
                "csat": 1 + n % 5,
            }
            event |= {"event_time": from_us(self.clock(day).anchor_world_us - n * 1_000_000), **fields}
            messages.append(Message(TOPIC, f"anna{n}@example.com", msgspec.json.encode(event)))
        self.runtime.bus.publish(messages)
        runtime = replace(self.runtime, world_us=self.clock(day).at)
        for name, branch in (("ingest", ingest), ("archive", archive)):
            flow = Dataflow(name)
            branch(flow, runtime, drain=True)
            run_main(flow)

    def audit(self, day: int, **question: Any) -> Audited:
        """The audit of a day, just after its last arrival."""
        after_us = self.clock(day).anchor_world_us + 1
        return audit(self.settings, Question(until_us=after_us, **question), self.clock(day))


@pytest.fixture(scope="module")
def world(redis_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Eight quiet days, and one on which the producer has changed."""
    import redis

    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
    root = tmp_path_factory.mktemp("installation")
    (root / "feature_store.yaml").write_text("project: rapport\n")
    env = {"RAPPORT_REDIS_URL": redis_server.url, "RAPPORT_AUDIT_KEPT": "3"}
    made = World(load_settings(env, root=root))
    for day in range(1, TODAY):
        made.live(day, 150)
    made.live(TODAY, 150, *[b'{"event_id": "x", "customer_id": "anna0@example.com"'] * 100, csat=None)
    yield made
    made.close()


@pytest.fixture(scope="module")
def first(world: World) -> Audited:
    return world.audit(TODAY)


def test_what_ingest_accepted_and_refused_is_audited(world: World, first: Audited) -> None:
    (topic,) = first.report.topics
    assert (topic.topic, topic.rows, topic.known_days) == (TOPIC, 150, 7)
    assert "volume" in topic.learning and first.report.notes == ()
    assert {(one.reason, one.now, one.before) for one in topic.refused} == {("bad_json", 100, 0)}
    found = {(one.check, one.field, one.what): one for one in first.report.findings}
    assert found.keys() == {("missing", "csat", "missing"), ("formats", "", "refused:bad_json")}
    missing = found["missing", "csat", "missing"]
    assert (missing.now, missing.usual, missing.last_week, missing.events) == (1.0, 0.0, 0.0, 150)
    assert (missing.severity, missing.status) == ("alarm", "new")
    refused = found["formats", "", "refused:bad_json"]
    assert refused.now == pytest.approx(100 / 250) and f"--topic {TOPIC} --reason bad_json" in refused.advice


def test_the_files_say_what_the_report_says_and_nothing_of_customers(world: World, first: Audited) -> None:
    assert msgspec.json.decode(first.json.read_bytes(), type=AuditReport) == first.report
    assert newest_audit(audits_folder(world.settings)) == first.report
    schema = ROOT / "docs" / "audit-report.schema.json"
    assert schema.read_text() == schema_text(), "write it anew: make docs"
    jsonschema.validate(json.loads(first.json.read_bytes()), json.loads(schema.read_text()))
    for path in first.page.parent.iterdir():
        assert "anna" not in path.read_text() and "example.com" not in path.read_text()
    assert "csat is missing in 100 %" in first.page.read_text()


def test_figures_are_there_for_prometheus(world: World, first: Audited) -> None:
    families = {family.name: family for family in audit_families(audits_folder(world.settings))}
    alarms = {
        one.labels["check"]: one.value
        for one in families["rapport_audit_findings"].samples
        if one.labels["topic"] == TOPIC and one.labels["severity"] == "alarm"
    }
    assert alarms == {"missing": 1, "formats": 1, "duplicates": 0, "late": 0, "future": 0, "volume": 0, "ranges": 0}
    missing = {sample.labels["field"]: sample.value for sample in families["rapport_audit_missing_share"].samples}
    assert missing["csat"] == 1.0 and missing["event_id"] == 0.0
    (refused,) = families["rapport_audit_refused_share"].samples
    assert refused.labels["reason"] == "bad_json" and refused.value == pytest.approx(100 / 250)
    (made,) = families["rapport_audit_timestamp_seconds"].samples
    assert made.value == pytest.approx(first.report.made_us / 1e6)


def test_what_stays_is_not_new_and_what_goes_is_resolved(world: World, first: Audited) -> None:
    second = world.audit(TODAY)
    assert {one.status for one in second.report.findings} == {"ongoing"} and second.report.resolved == ()
    assert second.report.compared_with_us == first.report.until_us
    world.live(TODAY + 1, 150)
    third = world.audit(TODAY + 1)
    assert ("missing", "resolved") in {(one.check, one.status) for one in third.report.resolved}
    assert "csat" not in {one.field for one in third.report.findings}
    # Another topic says nothing of this one, and of what was before a window, later audits say nothing either.
    other = world.audit(TODAY + 1, topics=("chat_messages",))
    assert other.report.compared_with_us is None and other.report.findings == ()
    assert last_findings(audits_folder(world.settings), [TOPIC], FIRST_US) == ([], None)
    assert len(list_audits(audits_folder(world.settings))) == 3
    assert len(list(audits_folder(world.settings).glob("*.html"))) == 3


def test_a_silent_day_resolves_nothing_but_shows(world: World, first: Audited) -> None:
    folder = world.settings.data_dir / "silent"
    clock = world.clock(TODAY)
    for until_us in (clock.anchor_world_us + 1, clock.anchor_world_us + 3 * DAY_US):
        made = audit(world.settings, Question((TOPIC,), until_us), clock, folder=folder)
    assert made.report.topics[0].rows == 0
    assert ("csat", "ongoing") in {(one.field, one.status) for one in made.report.findings}
    assert "complete up to" in made.report.notes[0]


def test_two_at_a_time_are_refused(world: World) -> None:
    with only_one(audits_folder(world.settings)), pytest.raises(ServiceError, match="another audit runs"):
        world.audit(TODAY)


def test_an_unknown_topic_is_refused_and_an_empty_archive_is_no_error(world: World, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="no topic 'clicks'"):
        world.audit(TODAY, topics=("clicks",))
    (tmp_path / "feature_store.yaml").write_text("project: rapport\n")
    made = audit(load_settings({}, root=tmp_path), Question(), WorldClock())
    assert made.report.topics == () and "the archive is empty" in made.report.notes
    assert made.page.is_file() and audit_families(made.page.parent)


@pytest.fixture
def env(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAPPORT_ROOT", str(world.settings.root))
    monkeypatch.setenv("RAPPORT_REDIS_URL", world.settings.redis_url)


@pytest.mark.usefixtures("env")
def test_the_command_ends_with_9_on_alarms(world: World, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    at = from_us(world.clock(TODAY).anchor_world_us + 1).isoformat()
    assert run(["audit", TOPIC, "--at", at, "--out", str(tmp_path / "out"), "--json"]) == 9
    told = json.loads(capsys.readouterr().out)
    assert told["findings"][0]["what"] == "missing" and Path(told["page"]).parent == tmp_path / "out"
    assert run(["audit", TOPIC, "--at", "2023-11-18T00:00:00Z", "--window", "6h", "--out", str(tmp_path / "out")]) == 0
    assert "nothing has changed" in capsys.readouterr().out
    assert run(["audit", "--window", "90m"]) == 2
    assert "whole hours" in capsys.readouterr().err


@pytest.mark.usefixtures("env")
def test_the_schedule_makes_one_whenever_it_is_due(world: World) -> None:
    folder, stop = world.settings.data_dir / "reports" / "audit", threading.Event()
    before = set(list_audits(folder))
    settings = replace(world.settings, audit_every_h=2 / 3_600)
    both = [threading.Thread(target=watch, args=(settings, stop), kwargs={"look_s": 0.05}) for _ in range(2)]
    for thread in both:
        thread.start()
    deadline = time.monotonic() + 60
    while not set(list_audits(folder)) - before:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    stop.set()
    for thread in both:
        thread.join(30)
        assert not thread.is_alive()
    watch(replace(settings, audit_every_h=0), threading.Event())


def test_letters_are_counted_by_topic_reason_and_field(world: World) -> None:
    day_us, clock = world.clock(TODAY).anchor_world_us, world.clock(TODAY)
    for topic, reason, field in (
        ("webhook:shop", "unmapped", "line_items.0.price"),
        ("nothing", "unknown_topic", ""),
        ("chat_messages", "unknown_field", "anna@example.com says"),
        ("chat_messages", "bad_value", "locale"),
        ("chat_messages", "bad_value", "locale"),
    ):
        letter = DeadLetter(
            topic=topic,
            partition=0,
            position=(0, 0),
            key="anna",
            origin="",
            reason=reason,
            field=field,
            detail="",
            arrival_us=1,
            value="",
        )
        world.runtime.bus.publish([Message(DEAD_LETTERS, "anna", msgspec.json.encode(letter))])
    found = count_refused(world.runtime.bus, Span(day_us + 1), clock)
    told = {topic: [(one.reason, one.field, int(one.rows[0])) for one in some] for topic, some in found.items()}
    assert told["chat_messages"] == [("bad_value", "locale", 2), ("unknown_field", "", 1)]
    assert sorted(told[ELSEWHERE]) == [("unknown_topic", "", 1), ("unmapped", "line_items.0.price", 1)]
    assert told[TOPIC] == [("bad_json", "", 100)]
    assert count_refused(world.runtime.bus, Span(day_us), clock) == {}
