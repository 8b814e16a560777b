"""The archive branch with the real archive: exactly once, through crashes, rivals, and records that are no rows."""

from __future__ import annotations

import logging
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from given import letters, message

from flows.archive import GROUP
from flows.runtime import Runtime
from rapport.archive import Archive
from rapport.archive.verify import verify
from rapport.bus import Message, Position
from rapport.errors import ArchiveError
from tests.archive import maintainer
from tests.flows.running import MakeRuntime, run_archive, run_ingest

DECISION = (
    b'{"decision_id":"d%d","as_of":"2025-03-01T12:00:00Z","segment":"Lost","activity":null,"sentiment":{},"scores":{},'
    b'"tone":"plain","template_id":"t","template":{"locale":"en","text":"Hi"},"rule":"r","reasons":[],'
    b'"model_versions":{},"feature_age_s":null,"degraded":[],"customer_id":"c1","features":{},"latency_ms":1.5}'
)


def archived(runtime: Runtime, topic: str = "feedback", column: str = "event_id") -> list[str]:
    return sorted(runtime.archive.scan(topic, [column]).column(column).to_pylist())


def test_checked_events_and_decisions_are_archived_once(make_runtime_: MakeRuntime) -> None:
    runtime = make_runtime_(partitions=3)
    for start in (0, 500):
        runtime.bus.publish([message(f"e{i:03}", f"c{i % 9}") for i in range(start, start + 500)])
        runtime.bus.publish([Message("decisions", f"c{i}", DECISION % i) for i in range(start, start + 5)])
        run_ingest(runtime)
        run_archive(runtime)
        run_archive(runtime)
    assert archived(runtime) == [f"e{i:03}" for i in range(1_000)]
    assert archived(runtime, "decisions", "decision_id") == sorted(f"d{i + j}" for i in (0, 500) for j in range(5))
    for topic in ("feedback.checked", "decisions"):
        for part in range(3):
            assert runtime.bus.reader(topic, part, runtime.bus.position(GROUP, topic, part)).lag() == 0


def test_a_crash_between_append_and_commit_is_made_good(runtime: Runtime, redis_url: str) -> None:
    runtime.bus.publish([message(f"e{i}") for i in range(50)])
    run_ingest(runtime)
    run_archive(runtime)
    reached = runtime.bus.position(GROUP, "feedback.checked", 0)
    runtime.bus.commit(GROUP, "feedback.checked", 0, expected=reached, position=Position(1, 0))
    run_archive(runtime)
    assert len(archived(runtime)) == 50
    assert runtime.bus.position(GROUP, "feedback.checked", 0) == reached


class Flaky:
    """An archive whose first appends fail, or come after another process's."""

    def __init__(self, archive: Archive, *, failures: int = 0, rival: bool = False) -> None:
        self._archive = archive
        self._failures = failures
        self._rival = rival

    def append(self, topic: str, table: pa.Table, **place: Any) -> bool:
        if self._failures:
            self._failures -= 1
            raise ArchiveError("the disk is full")
        if self._rival:
            self._rival = False
            rivals: Position = place["position"]._replace(lo=place["position"].lo - 1)
            assert self._archive.append(topic, table.slice(0, len(table) - 1), **{**place, "position": rivals})
        return self._archive.append(topic, table, **place)

    def position(self, topic: str, writer: str) -> Position:
        return self._archive.position(topic, writer)


@pytest.mark.parametrize("trouble", [{"failures": 1}, {"rival": True}])
def test_a_failed_append_is_read_again(
    runtime: Runtime, trouble: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    runtime.bus.publish([message(f"e{i}") for i in range(20)])
    run_ingest(runtime)
    flaky: Any = Flaky(runtime.archive, **trouble)
    run_archive(replace(runtime, archive=flaky))
    run_archive(replace(runtime, archive=flaky))
    assert archived(runtime) == sorted(f"e{i}" for i in range(20))


def test_records_that_are_no_rows_become_dead_letters(runtime: Runtime) -> None:
    runtime.bus.publish([message("e1")])
    run_ingest(runtime)
    runtime.bus.publish([Message("feedback.checked", "c", b"junk"), Message("decisions", "c", b"{}")])
    runtime.bus.publish([Message("decisions", "c", DECISION % 1)])
    run_archive(runtime)
    assert archived(runtime) == ["e1"] and archived(runtime, "decisions", "decision_id") == ["d1"]
    assert sorted((letter.topic, letter.reason, letter.raw) for letter in letters(runtime.bus)) == [
        ("decisions", "bad_value", b"{}"),
        ("feedback.checked", "bad_value", b"junk"),
    ]


def test_nothing_is_lost_while_files_are_joined_and_old_rows_go(runtime: Runtime) -> None:
    """The real flow appends while processes of their own join files and apply retention, over and over."""
    old = [message(f"old{i}", f"c{i}", event_time="2020-01-01T00:00:00Z") for i in range(20)]
    runtime.bus.publish(old)
    run_ingest(runtime)
    run_archive(runtime)
    command = [sys.executable, "-m", maintainer.__name__, str(runtime.archive.folder)]
    others = [
        subprocess.Popen([*command, what, "100000", "feedback", "18500"], stdout=subprocess.DEVNULL)
        for what in ("compact", "retain")
    ]
    try:
        for turn in range(15):
            runtime.bus.publish([message(f"e{turn:02}-{i:02}", f"c{i}") for i in range(40)])
            run_ingest(runtime)
            run_archive(runtime)
        assert [process.poll() for process in others] == [None, None], "one of them failed by itself"
    finally:
        for process in others:
            process.kill()
            process.wait()
    maintainer.once(runtime.archive, "retain", "feedback", 18_500)
    assert archived(runtime) == [f"e{turn:02}-{i:02}" for turn in range(15) for i in range(40)]
    found = verify(runtime.archive, "feedback")
    assert (found.problems, found.repeats, found.removed) == ([], 0, 20)
    assert "OPTIMIZE" in [version.operation for version in runtime.archive.versions("feedback")]
