"""Up to when a training may look: what is on its way to the archive has happened, though it cannot be seen yet."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from rapport.cli.models import as_of_world
from rapport.cli.worldtime import publish_clock
from rapport.clock import WorldClock
from rapport.settings import Settings

HOUR_US = 3_600_000_000


@pytest.fixture
def settings(tmp_path: Path, redis_url: str) -> Settings:
    return Settings(root=tmp_path, data_dir=tmp_path, redis_url=redis_url, archive_every_s=1.0)


def test_fast_world_is_seen_hours_behind(settings: Settings) -> None:
    clock = WorldClock(time.time_ns() // 1_000 - 60_000_000, 1_000 * HOUR_US, rate=4 * 3_600.0)
    publish_clock(settings, clock)
    behind_us = clock.now_us() - as_of_world(settings)
    assert 15 * HOUR_US < behind_us < 24 * HOUR_US  # 4 s, each 4 hours


def test_world_that_stands_still_is_seen_whole(settings: Settings) -> None:
    publish_clock(settings, WorldClock(anchor_world_us=1_000 * HOUR_US, rate=0.0))
    assert as_of_world(settings) == 1_000 * HOUR_US


def test_without_a_world_clock_it_is_seconds(settings: Settings) -> None:
    assert 3_900_000 < time.time_ns() // 1_000 - as_of_world(settings) < 30_000_000
