"""The archive's disk is full: records of decisions wait on the bus, and are appended once when there is room."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from flows.archive import GROUP, archive
from flows.runtime import Runtime, make_runtime
from rapport.bus import Message
from rapport.decisions import DECISIONS_TOPIC, encode_record
from rapport.settings import load_settings
from rapport.testing.decided import decided
from tests.faults.disks import filled, mounted, unmount

DECISIONS = 50


@pytest.fixture
def runtime(redis_url: str, tmp_path: Path) -> Iterator[Runtime]:
    (tmp_path / "feature_store.yaml").touch()
    settings = load_settings({"RAPPORT_REDIS_URL": redis_url}, root=tmp_path)
    if not mounted(settings.data_dir / "archive", 8):
        pytest.skip("a disk that can be filled has to be mounted, and this user may not")
    yield make_runtime(replace(settings, archive_every_s=0.05))
    unmount(settings.data_dir / "archive")


def test_records_wait_until_there_is_room(runtime: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    give(runtime, range(DECISIONS))
    run_archive(runtime)
    give(runtime, range(DECISIONS, 2 * DECISIONS))
    with filled(runtime.settings.data_dir / "archive"):
        run_archive(runtime)
        assert "check the disk's space" in caplog.text
        assert len(archived(runtime)) == DECISIONS
    run_archive(runtime)
    assert archived(runtime) == sorted(f"d{n:03}" for n in range(2 * DECISIONS))
    position = runtime.bus.position(GROUP, DECISIONS_TOPIC, 0)
    assert runtime.bus.reader(DECISIONS_TOPIC, 0, position).lag() == 0


def run_archive(runtime: Runtime) -> None:
    flow = Dataflow("archive")
    archive(flow, runtime, drain=True)
    run_main(flow)


def archived(runtime: Runtime) -> list[str]:
    return sorted(runtime.archive.scan("decisions", ["decision_id"]).column("decision_id").to_pylist())


def give(runtime: Runtime, numbers: range) -> None:
    runtime.bus.publish([Message(DECISIONS_TOPIC, "ann", encode_record(decided(number))) for number in numbers])
