"""The embedded Redis against what happens to servers: killed, started twice, left behind, moved."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from rapport.embedded import EmbeddedRedis, server_binary
from rapport.errors import ServiceError
from rapport.processes import identify, is_alive


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis(tmp_path / "redis")
    yield server
    server.stop()


def test_a_second_start_finds_the_running_server(server: EmbeddedRedis) -> None:
    url = server.start()
    second = EmbeddedRedis(server.folder)
    assert second.start() == url
    assert second.pid == server.pid
    with pytest.raises(ServiceError, match="already runs"), (server.folder / "other.log").open("ab") as log:
        second.spawn(log)


def test_killed_server_comes_back_with_its_data_at_the_same_address(server: EmbeddedRedis) -> None:
    url = server.start()
    with redis.Redis.from_url(url) as client:
        client.set("k", "v")
        time.sleep(0.05)
        assert server.pid is not None
        killed = identify(server.pid)
        os.kill(server.pid, signal.SIGKILL)
        while is_alive(killed):
            time.sleep(0.01)
        assert (server.folder / "redis.sock").exists()  # stale
        assert server.start() == url
        assert client.get("k") == b"v"  # the same client, reconnected


def test_stopping_one_that_was_started_elsewhere(server: EmbeddedRedis) -> None:
    subprocess.run([sys.executable, "-c", _START_AND_LEAVE, str(server.folder)], check=True)
    assert server.running()
    server.stop()
    assert server.running() is None
    server.stop()


def test_recycled_process_id_is_not_taken_for_the_server(server: EmbeddedRedis) -> None:
    server.start()
    server.stop()
    (server.folder / "process.json").write_text(f'{{"pid": {os.getpid()}, "mark": "0:0"}}')
    assert server.running() is None
    server.stop()  # must not end this test


def test_data_of_a_newer_redis_is_not_silently_ignored(server: EmbeddedRedis) -> None:
    (server.folder / "appendonlydir").mkdir(parents=True)
    try:
        server.start()
    except ServiceError as error:
        assert "older" in str(error)
    else:
        assert "v=7" in subprocess.run([server_binary(), "--version"], capture_output=True, text=True).stdout


def test_long_folder_still_gets_a_socket(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path / ("x" * 90) / "redis")
    url = server.start()
    server.stop()
    assert server.start() == url
    server.stop()


_START_AND_LEAVE = """
import sys; from pathlib import Path; from rapport.embedded import EmbeddedRedis
EmbeddedRedis(Path(sys.argv[1])).start()
"""
