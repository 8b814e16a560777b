"""What a flow measures of itself, what it writes down, and what is made of it."""

from __future__ import annotations

import logging
import math
import socket
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest

from rapport.clock import WorldClock
from rapport.errors import BusUnavailable, ServiceError
from rapport.metrics.buckets import DELAY_SECONDS, Histogram
from rapport.metrics.exporter import make_registry, serve
from rapport.metrics.measures import Measures, SinceInWorld, since
from rapport.metrics.snapshot import HistogramState, clear_snapshots, read_snapshots, snapshots_folder
from rapport.metrics.summary import quantile, summaries
from rapport.settings import Settings
from rapport.supervisor.installation import METRICS_OFFSET

LONG_US = 10**12
values_us = st.lists(
    st.integers(-LONG_US, LONG_US) | st.sampled_from([round(limit * 1e6) for limit in DELAY_SECONDS]), max_size=50
)


@given(st.lists(values_us, max_size=5))
def test_a_histogram_counts_as_one_value_at_a_time_would(batches: list[list[int]]) -> None:
    histogram = Histogram(DELAY_SECONDS, 1e6)
    for batch in batches:
        histogram.observe(np.array(batch, np.int64))
    seen = [max(value, 0) / 1e6 for batch in batches for value in batch]
    state = histogram.state()
    for at, limit in enumerate(DELAY_SECONDS):
        assert sum(state.counts[: at + 1]) == sum(value <= limit for value in seen)
    assert sum(state.counts) == len(seen)
    assert state.total == pytest.approx(sum(seen))


@given(st.lists(st.floats(0, 2), min_size=1, max_size=30), st.floats(0.01, 1))
def test_a_quantile_is_the_limit_of_its_bucket(values: list[float], share: float) -> None:
    limits = [0.5, 1.0]
    halves = [Histogram(limits), Histogram(limits)]
    for at, value in enumerate(values):
        halves[at % 2].observe_one(value)
    ordered = sorted(values)
    exact = ordered[math.ceil(share * len(values) - 1e-9) - 1]
    expected = next((limit for limit in limits if exact <= limit), math.inf)
    assert quantile([half.state() for half in halves], share) == expected


def test_a_quantile_of_nothing() -> None:
    assert quantile([], 0.5) is None
    assert quantile([HistogramState([1.0], [0, 0], 0.0)], 0.5) is None


@pytest.mark.parametrize("rate", [1.0, 600.0, 0.5])
def test_delays_are_the_systems_whatever_the_worlds_rate(rate: float) -> None:
    now_us = time.time_ns() // 1_000
    clock = WorldClock(now_us - 60_000_000, 0, rate)
    arrived = np.array([clock.at(now_us - 2_000_000), clock.at(now_us)])
    waited = SinceInWorld(clock.at)(arrived)
    assert waited is not None
    assert waited == pytest.approx([2_000_000, 0], abs=500_000)
    assert since([now_us - 2_000_000])[0] == pytest.approx(2_000_000, abs=500_000)


def test_what_arrived_before_the_clock_was_changed_is_left_out() -> None:
    now_us = time.time_ns() // 1_000
    clocks = [WorldClock(now_us, now_us, 3_600.0)]
    waits = SinceInWorld(lambda system_us: clocks[-1].at(system_us))
    assert waits(np.array([now_us])) is not None
    clocks.append(WorldClock(now_us, now_us + 3_600_000_000, 1.0))
    before = waits(np.array([now_us]))
    assert before is not None
    assert len(before) == 0
    after = waits(np.array([clocks[-1].now_us()]))
    assert after is not None
    assert after == pytest.approx([0], abs=500_000)


def test_no_delay_is_told_while_the_world_stands_still_or_is_not_known() -> None:
    def unknown(system_us: int) -> int:
        raise BusUnavailable("no clock")

    assert SinceInWorld(WorldClock(0, 0, 0.0).at)(np.array([0])) is None
    assert SinceInWorld(unknown)(np.array([0])) is None


def measured(name: str, folder: Path | None) -> Measures:
    measures = Measures(name, folder)
    stage = measures.stage("ingest")
    stage.done("feedback", 3, 3)
    stage.waited("feedback", np.array([2_000, 20_000, 2_000_000]))
    stage.late("feedback", [-5, 0, 86_400_000_000])
    stage.dead("feedback", {"bad_value": 2})
    with stage.timed("feedback"):
        pass
    features = measures.stage("features")
    features.done("feedback.checked", 1, 3)
    features.rows("feedback.checked", {"written": 2, "damaged": 0})
    features.rewound("feedback.checked")
    stage.beat()
    return measures


def test_what_was_written_is_read_and_forgotten(tmp_path: Path) -> None:
    first, second = measured("flows", tmp_path), measured("flows-2", tmp_path)
    (tmp_path / "other.msgpack").write_bytes(b"\x93of another version")
    assert read_snapshots(tmp_path) == [first.state(), second.state()]
    shown = {(line.process, line.stage): line for line in summaries(read_snapshots(tmp_path))}
    assert len(shown) == 4
    assert shown["flows", "ingest"].events == 3
    assert (shown["flows", "ingest"].delay_p50_s, shown["flows", "ingest"].delay_p99_s) == (0.02, 2.5)
    assert shown["flows", "features"].delay_p99_s is None
    second.close()
    assert read_snapshots(tmp_path) == [first.state()]
    clear_snapshots(tmp_path)
    assert read_snapshots(tmp_path) == []


def test_a_file_that_cannot_be_written_is_told_once_and_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rapport.metrics.measures._WRITE_EVERY_S", 0.0)
    (tmp_path / "taken").touch()
    with caplog.at_level(logging.ERROR):
        stage = measured("flows", tmp_path / "taken").stage("ingest")
        stage.beat()
    assert len(caplog.records) == 1


def test_the_text_without_bus_or_redis_still_tells_of_the_flows(tmp_path: Path) -> None:
    settings = Settings(root=tmp_path, data_dir=tmp_path, redis_url="unix:///nowhere/redis.sock")
    measured("flows", snapshots_folder(settings))
    text = generate_latest(make_registry(settings)).decode()
    where = 'process="flows",stage="ingest",topic="feedback"'
    assert f"rapport_flow_events_total{{{where}}} 3.0" in text
    assert f'rapport_flow_delay_seconds_bucket{{le="0.02",{where}}} 2.0' in text
    assert f'rapport_flow_lateness_seconds_bucket{{le="86400.0",{where}}} 3.0' in text
    assert (
        'rapport_flow_dead_letters_total{process="flows",reason="bad_value",stage="ingest",topic="feedback"} 2.0'
        in text
    )
    assert 'rapport_online_rows_total{process="flows",result="written",stage="features",topic="feedback"} 2.0' in text
    assert "rapport_bus_up 0.0" in text
    assert "rapport_redis_up 0.0" in text


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = Settings(root=tmp_path, data_dir=tmp_path, port=taken.getsockname()[1] - METRICS_OFFSET)
        with pytest.raises(ServiceError, match="RAPPORT_PORT"):
            serve(settings, threading.Event())
