"""The world clock in Redis, as the flows see it."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import msgspec
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from rapport.clock import WORLD_CLOCK_KEY, WorldClock
from rapport.embedded import EmbeddedRedis
from rapport.errors import BusUnavailable
from rapport.redis_clock import RedisClock

NOW_US = 1_780_000_000_123_456


def test_without_a_clock_the_systems_time_to_the_microsecond(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        clock = RedisClock(client)
        assert clock.at(NOW_US) == NOW_US
        assert abs(clock.now_us() - time.time_ns() // 1_000) < 1_000_000


def test_a_published_clock_is_followed_within_the_refresh(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        clock = RedisClock(client, refresh_s=0.1)
        assert clock.at(NOW_US) == NOW_US
        client.set(WORLD_CLOCK_KEY, msgspec.json.encode(WorldClock(NOW_US, 1_000, 60.0)))
        assert clock.at(NOW_US + 10) == NOW_US + 10
        time.sleep(0.11)
        assert clock.at(NOW_US + 10) == 1_600
        client.delete(WORLD_CLOCK_KEY)
        time.sleep(0.11)
        assert clock.at(NOW_US) == NOW_US


def test_a_damaged_clock_leaves_the_last_one_in_force(redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    with redis.Redis.from_url(redis_url) as client, caplog.at_level(logging.ERROR):
        clock = RedisClock(client, refresh_s=0)
        client.set(WORLD_CLOCK_KEY, msgspec.json.encode(WorldClock(0, 5, 1.0)))
        assert clock.at(1) == 6
        client.set(WORLD_CLOCK_KEY, b"noon")
        assert clock.at(1) == 6
    assert "rapport:clock" in caplog.text


def test_without_redis_the_last_clock_or_none(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path / "redis")
    with redis.Redis.from_url(server.start(), retry=Retry(NoBackoff(), 0)) as client:
        client.set(WORLD_CLOCK_KEY, msgspec.json.encode(WorldClock(0, 5, 1.0)))
        clock = RedisClock(client, refresh_s=0)
        assert clock.at(1) == 6
        server.stop()
        assert clock.at(1) == 6
        with pytest.raises(BusUnavailable):
            RedisClock(client).now_us()
