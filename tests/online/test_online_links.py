"""The connections that a writer keeps: replies in their order, errors in their places, and servers that went away."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.maint_notifications import MaintNotificationsConfig

from rapport.embedded import EmbeddedRedis
from rapport.online.links import Links


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client
        client.flushdb()


def _command(*parts: bytes) -> bytes:
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


@pytest.mark.parametrize("protocol", [2, 3])
def test_replies_and_errors_are_in_the_order_of_the_commands(redis_url: str, protocol: int) -> None:
    large = b"x" * 300_000
    sent = [_command(b"ECHO", b"%d" % n) for n in range(2_000)]
    sent[1] = sent[700] = _command(b"EVALSHA", b"0" * 40, b"0")
    sent[5] = _command(b"ECHO", large)
    # Over a Unix socket redis-py's RESP3 works without its notices of maintenance only.
    notices = MaintNotificationsConfig(enabled=False)
    with redis.Redis.from_url(redis_url, protocol=protocol, maint_notifications_config=notices) as one:
        link = Links().to(one)
        for _ in range(2):
            link.send(memoryview(b"".join(sent)))
            replies, errors = link.read(len(sent))
            assert errors == [1, 700]
            assert all(isinstance(replies[at], redis.exceptions.NoScriptError) for at in errors)
            assert replies[5] == large
            good = [at for at in range(2_000) if at not in (1, 5, 700)]
            assert [replies[at] for at in good] == [b"%d" % at for at in good]


def test_a_connection_is_kept_and_goes_back_with_its_owner(client: redis.Redis) -> None:
    before = len(client.connection_pool._in_use_connections)
    links = Links()
    link = links.to(client)
    links.begin()
    assert links.to(client) is link
    assert len(client.connection_pool._in_use_connections) == before + 1
    del links
    assert len(client.connection_pool._in_use_connections) == before
    assert client.ping()


def test_a_server_that_was_restarted_is_connected_to_again(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path / "redis")
    url = server.start()
    try:
        with redis.Redis.from_url(url, socket_timeout=5) as client:
            links = Links()
            for _ in range(2):
                links.begin()
                link = links.to(client)
                link.send(memoryview(_command(b"ECHO", b"here")))
                assert link.read(1) == ([b"here"], [])
                server.stop()
                assert server.start() == url
                time.sleep(0.6)
            links.close()
    finally:
        server.stop()
