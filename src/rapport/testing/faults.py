"""What happens to servers and processes, made to happen: frozen, killed, restarted."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import redis

from rapport.embedded import EmbeddedRedis
from rapport.processes import kill_all

__all__ = ["frozen", "kill_redis", "restart_redis", "slowed"]

_TURN_S = 0.05


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """The process does nothing inside the block, as under a hung disk or a long pause; then it goes on."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def slowed(pids: Sequence[int], share: float) -> Iterator[threading.Event]:
    """Inside the block each process may work for this share of the time only, a few milliseconds of every 50, as on a
    machine that has less to give; until the event that it gives is set."""
    left = threading.Event()

    def hold_up() -> None:
        while not left.is_set():
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            left.wait(_TURN_S * (1 - share))
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
            left.wait(_TURN_S * share)

    thread = threading.Thread(target=hold_up, daemon=True)
    thread.start()
    try:
        yield left
    finally:
        left.set()
        thread.join()


def restart_redis(server: EmbeddedRedis, *, down_s: float = 0.0) -> None:
    """Shut down in good order, stay away, come back with the data."""
    server.stop()
    time.sleep(down_s)
    server.start()


def kill_redis(server: EmbeddedRedis, *, down_s: float = 0.0) -> None:
    """kill -9, stay away, come back from the append-only file.

    The file is put on `appendfsync always` first. With `everysec`, a server whose disk is slow holds writes back for up
    to two seconds, answers all the same, and loses them when it is killed: that loss is documented, and not looked for
    here.
    """
    running = server.running()
    if running is None:
        raise ValueError(f"no server runs on {server.folder}")
    with redis.Redis.from_url(server.url, socket_timeout=30) as client:
        client.config_set("appendfsync", "always")
        client.ping()
    kill_all([running])
    time.sleep(down_s)
    server.start()
