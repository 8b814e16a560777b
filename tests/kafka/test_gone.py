"""A flow that retention has overtaken ends its process with what to do, and goes on after that was done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rapport.bus import Message, Position
from rapport.bus.kafka import KafkaBus
from rapport.cli.main import run
from rapport.errors import BusError
from rapport.processes import HELPLESS
from rapport.settings import load_settings
from tests.source_tree import ROOT


def test_the_process_says_what_to_do_and_goes_on_when_it_was_done(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bus = KafkaBus.of(load_settings(environment))
    bus.publish([Message("feedback", "c", b"{no event %d" % number) for number in range(20)])
    bus.commit("ingest", "feedback", 0, expected=Position(0, 0), position=Position(5, 0))
    bus.trim("feedback", 0, Position(13, 0))
    ended = subprocess.run(
        [sys.executable, "-m", "bytewax.run", "flows.ingest:flow"],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert ended.returncode == HELPLESS, ended.stderr[-2_000:]
    last = ended.stderr.splitlines()[-1]
    assert " CRITICAL " in last and "removed up to 7 records" in last and "`rapport bus seek ingest feedback`" in last
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    deadline = time.monotonic() + 40
    # Kafka takes the process for alive until its session has ended.
    while (code := run(["bus", "seek", "ingest", "feedback"])) == BusError.exit_code and time.monotonic() < deadline:
        time.sleep(0.5)
    assert code == 0, capsys.readouterr()
    assert bus.position("ingest", "feedback", 0) == Position(12, 0)
    assert run(["bus", "seek", "ingest", "nothing"]) == BusError.exit_code
    assert "no group 'ingest' reads 'nothing'; these do: archive chat_messages.checked" in capsys.readouterr().err
    assert run(["bus", "lag", "--json"]) == 0
    shown = [tuple(row.values()) for row in json.loads(capsys.readouterr().out)]
    assert ("ingest", "feedback", 0, 8) in shown and len(shown) == 16
    bus.close()


def test_the_archive_is_moved_by_an_append_of_nothing(environment: dict[str, str], tmp_path: Path) -> None:
    from rapport.archive import Archive, archive_writer
    from rapport.archive.schema import arrow_schema
    from rapport.supervisor.seek import seek_oldest

    settings = load_settings(environment)
    bus, archive = KafkaBus.of(settings), Archive(settings.data_dir / "archive")
    bus.publish([Message("feedback.checked", "", b"x", partition=0)] * 9)
    bus.trim("feedback.checked", 0, Position(7, 0))
    empty = arrow_schema("feedback").empty_table()
    archive.append("feedback", empty, writer=archive_writer(0), position=Position(2, 0))
    assert seek_oldest(settings, "archive", "feedback.checked") == [(0, Position(2, 0), Position(6, 0))]
    assert archive.position("feedback", archive_writer(0)) == Position(6, 0)
    assert seek_oldest(settings, "archive", "feedback.checked") == []
    bus.close()
