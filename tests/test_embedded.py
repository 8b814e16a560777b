"""The embedded Redis keeps its data across a stop, and is private."""

from __future__ import annotations

from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from rapport.embedded import EmbeddedRedis


def test_data_survives_a_restart(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path)
    with redis.Redis.from_url(server.start()) as client:
        client.set("k", "v")
    server.stop()
    with redis.Redis.from_url(server.start()) as client:
        assert client.get("k") == b"v"
    server.stop()


def test_password_and_private_files(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path)
    url = server.start()
    assert (tmp_path / "redis.conf").stat().st_mode & 0o077 == 0
    assert (tmp_path / "url").stat().st_mode & 0o077 == 0
    socket = url.rpartition("@")[2]
    with redis.Redis(unix_socket_path=socket, retry=Retry(NoBackoff(), 0)) as client:
        try:
            client.ping()
        except redis.AuthenticationError:
            pass
        else:
            raise AssertionError("the server answered without a password")
    server.stop()
