"""One timer for many tasks: each waits as long as `asyncio.timeout` would let it, and no longer."""

from __future__ import annotations

import asyncio
import random

import pytest

from bentos.shared_timeout import SharedTimeout

LENGTH_S = 0.05


async def _told(timeout: SharedTimeout, begin_s: float, wait_s: float) -> tuple[str, float]:
    await asyncio.sleep(begin_s)
    began = asyncio.get_running_loop().time()
    try:
        with timeout():
            await asyncio.sleep(wait_s)
        said = "done"
    except TimeoutError:
        said = "late"
    return said, asyncio.get_running_loop().time() - began


def test_each_task_has_its_time() -> None:
    picked = random.Random(1)
    waits = [(picked.uniform(0, 0.2), picked.choice([0.0, LENGTH_S / 10, LENGTH_S * 20])) for _ in range(200)]

    async def run() -> list[tuple[str, float]]:
        timeout = SharedTimeout(LENGTH_S)
        return await asyncio.gather(*(_told(timeout, *one) for one in waits))

    for (_, wait_s), (said, took_s) in zip(waits, asyncio.run(run()), strict=True):
        if wait_s > LENGTH_S:
            assert said == "late" and LENGTH_S * 0.9 <= took_s < LENGTH_S * 20
        else:
            assert said == "done" or took_s >= LENGTH_S  # the machine held it up


def test_who_is_cancelled_by_others_is_cancelled() -> None:
    async def run() -> None:
        timeout = SharedTimeout(10)
        task = asyncio.create_task(_told(timeout, 0, 10))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())


def test_errors_pass_and_a_task_can_wait_again() -> None:
    async def run() -> str:
        timeout = SharedTimeout(LENGTH_S)
        with pytest.raises(KeyError), timeout():
            raise KeyError("mine")
        with pytest.raises(TimeoutError), timeout():
            await asyncio.sleep(5)
        with timeout():
            await asyncio.sleep(0)
        await asyncio.sleep(2 * LENGTH_S)
        return "not cancelled"

    assert asyncio.run(run()) == "not cancelled"


def test_it_serves_one_loop_after_another() -> None:
    timeout = SharedTimeout(LENGTH_S)
    for _ in range(2):
        assert asyncio.run(_told(timeout, 0, 5))[0] == "late"
