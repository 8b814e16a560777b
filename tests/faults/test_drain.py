"""A service that is told to end under load: nobody goes without an answer, and another one takes over."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from rapport.access import KeyFile, create_key
from rapport.bus import START, open_bus
from rapport.decisions import DECISIONS_TOPIC, decode_record
from rapport.testing.served import Served, wait_for
from tests.faults.asking import Asked, ask_for
from tests.faults.world import World

CONNECTIONS = 12
STATED_S = 20.0
"""Longest time from the signal to the end, the time for which it still listens aside."""


def test_nobody_goes_without_an_answer(world: World) -> None:
    leaving = world.another({"RAPPORT_DRAIN_S": "1"})
    leaving.wait_ready()
    leaving.wait_health(lambda health: health["status"] == "ok", "the second service is not well", 60)
    asked, seen = asyncio.run(_end_under_load(world, leaving))
    assert leaving.process.wait(STATED_S) == 0
    assert (asked.failed, asked.statuses) == ([], [])
    assert asked.refused >= 1 and asked.moved > 0
    assert (503, False, "stopping") in seen and all(status in (200, 503) for status, *_ in seen)
    wait_for(lambda: _are_logged(world, asked), "decisions were answered and not logged", 30)


def test_what_hangs_is_given_up(world: World, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    create_key(KeyFile(keys), "all", ["decide"], 0)
    leaving = world.another({"RAPPORT_KEYS_FILE": str(keys)})
    leaving.wait_ready()
    keys.unlink()
    os.mkfifo(keys, 0o600)
    with _writer(keys):
        leaving.process.terminate()
        leaving.process.wait(STATED_S)
    assert "most recent call first" in leaving.log.read_text()


@contextmanager
def _writer(pipe: Path) -> Iterator[None]:
    """Whoever reads the pipe waits for what does not come."""
    opened: list[int] = []

    def is_read() -> bool:
        with suppress(OSError):
            opened.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        return bool(opened)

    wait_for(is_read, "nobody reads the pipe", 20)
    yield
    os.close(opened[0])


async def _end_under_load(world: World, leaving: Served) -> tuple[Asked, list[tuple[int, bool, str]]]:
    until, seen = asyncio.Event(), []
    load = asyncio.create_task(ask_for([leaving.port, world.served.port], CONNECTIONS, until, pause_s=0.01))
    await asyncio.sleep(0.5)
    os.kill(leaving.process.pid, signal.SIGTERM)
    async with httpx.AsyncClient(base_url=leaving.url, timeout=5, trust_env=False) as http:
        ended_s = time.monotonic() + STATED_S
        while leaving.process.poll() is None and time.monotonic() < ended_s:
            try:
                answer = await http.get("/readyz")
            except httpx.ConnectError:
                pass
            else:
                told = answer.json()
                seen.append((answer.status_code, told["ready"], told["status"]))
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.3)
    until.set()
    return await load, seen


def _are_logged(world: World, asked: Asked) -> bool:
    reader, found = open_bus(world.project.settings).reader(DECISIONS_TOPIC, 0, START), set()
    while batch := reader.poll(10_000):
        found |= {decode_record(value).decision_id for value in batch.values}
    return {decision["decision_id"] for decision in asked.decisions} <= found
