"""Questions over connections of one's own: what breaks is replaced, what is cancelled leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio

from rapport.embedded import EmbeddedRedis
from rapport.errors import StoreUnavailable
from rapport.online.asking import Asker, asker
from rapport.online.asking_async import AsyncAsker, async_asker
from rapport.online.questions import Hashes, HashFields, Stored

FIELDS = HashFields([b"a", b"nothing", b"_ts:b"])
TIMEOUT_S = 0.5
PATIENCE_S = 10.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis(tmp_path, durable=False)
    with redis.Redis.from_url(server.start()) as client:
        fill(client)
    yield server
    server.stop()


def fill(client: Any) -> None:
    with client.pipeline(transaction=False) as pipe:
        for number in range(600):
            pipe.hset(b"c%d" % number, mapping={b"a": b"%d" % number, b"_ts:b": bytes(number % 300)})
        pipe.set(b"clock", b"noon")
        pipe.set(b"text", b"no hash")
        pipe.execute()


def ask_for(*numbers: int) -> Hashes:
    return FIELDS.of([b"c%d" % number for number in numbers])


def answer_of(number: int) -> list[bytes | None]:
    return [b"%d" % number, None, bytes(number % 300)]


def answers_of(*numbers: int) -> list[list[bytes | None]]:
    return [answer_of(number) for number in numbers]


def client_of(server: EmbeddedRedis) -> redis.Redis:
    return redis.Redis.from_url(server.url, socket_timeout=TIMEOUT_S, retry=None)


def through_pipelines(server: EmbeddedRedis) -> redis.Redis:
    pool = redis.BlockingConnectionPool.from_url(server.url, socket_timeout=TIMEOUT_S, retry=None)
    return redis.Redis(connection_pool=pool)


@pytest.fixture(params=[client_of, through_pipelines])
def asking(request: Any, server: EmbeddedRedis) -> Iterator[Asker]:
    client = request.param(server)
    asks = asker(client)
    yield asks
    asks.close()
    client.close()


def in_loop(
    server: EmbeddedRedis,
    work: Callable[[AsyncAsker], Any],
    *,
    timeout_s: float = PATIENCE_S,
    blocking_pool: bool = False,
) -> Any:
    """Run `work` with an asker of its own in a loop of its own."""

    async def run() -> Any:
        pool = redis.asyncio.BlockingConnectionPool if blocking_pool else redis.asyncio.ConnectionPool
        client = redis.asyncio.Redis(connection_pool=pool.from_url(server.url, socket_timeout=timeout_s))
        asks = async_asker(client)
        try:
            return await work(asks)
        finally:
            await asks.close()
            await client.aclose()
            await client.connection_pool.disconnect()

    return asyncio.run(run())


def drop_connections(server: EmbeddedRedis) -> None:
    with redis.Redis.from_url(server.url) as client:
        assert client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes") >= 1


def freeze(server: EmbeddedRedis) -> int:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    return server.pid


def test_answers_come_in_order(asking: Asker) -> None:
    assert asking.ask(ask_for(3, 5), Stored(b"clock"), ask_for(7), Stored(b"nothing")) == [
        *answers_of(3, 5),
        b"noon",
        *answers_of(7),
        None,
    ]
    assert asking.ask() == []
    assert asking.ask(ask_for(*range(500))) == answers_of(*range(500))


def test_a_refused_command_spares_the_next_question(asking: Asker) -> None:
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        asking.ask(FIELDS.of([b"c1", b"text", b"c2"]))
    assert asking.ask(ask_for(4)) == answers_of(4)


def test_a_connection_that_broke_while_idle_is_replaced(asking: Asker, server: EmbeddedRedis) -> None:
    asking.ask(ask_for(1))
    drop_connections(server)
    assert asking.ask(ask_for(2)) == answers_of(2)


def test_a_frozen_server_is_noticed_and_forgotten(asking: Asker, server: EmbeddedRedis) -> None:
    asking.ask(ask_for(1))
    pid = freeze(server)
    try:
        for _ in range(2):
            started = time.monotonic()
            with pytest.raises(StoreUnavailable, match="reading features"):
                asking.ask(ask_for(1, 2, 3))
            assert time.monotonic() - started < 20 * TIMEOUT_S
    finally:
        os.kill(pid, signal.SIGCONT)
    # The answers to what nobody waits for any more are not taken for these.
    assert asking.ask(ask_for(9)) == answers_of(9)


def test_a_server_that_is_gone_and_back(asking: Asker, server: EmbeddedRedis) -> None:
    asking.ask(ask_for(1))
    server.stop()
    with pytest.raises(StoreUnavailable):
        asking.ask(ask_for(1))
    with redis.Redis.from_url(server.start()) as client:
        fill(client)
    assert asking.ask(ask_for(1)) == answers_of(1)


def test_threads_do_not_mix_their_answers(asking: Asker) -> None:
    def some(seed: int) -> bool:
        rng = random.Random(seed)
        numbers = [rng.sample(range(600), rng.choice((1, 7))) for _ in range(50)]
        return all(asking.ask(ask_for(*few)) == answers_of(*few) for few in numbers)

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(some, range(16)))


def test_a_forked_process_has_connections_of_its_own(server: EmbeddedRedis) -> None:
    client = client_of(server)
    asks = asker(client)
    asks.ask(ask_for(1))
    child = os.fork()
    if child == 0:
        # Whatever happens, the child must not go on as a test run.
        os._exit(0 if asks.ask(ask_for(*range(20))) == answers_of(*range(20)) else 1)
    assert asks.ask(ask_for(*range(30, 50))) == answers_of(*range(30, 50))
    assert os.waitpid(child, 0)[1] == 0
    asks.close()
    client.close()


@pytest.mark.parametrize("blocking_pool", [False, True])
def test_tasks_share_a_connection(server: EmbeddedRedis, blocking_pool: bool) -> None:
    async def work(asks: AsyncAsker) -> None:
        many = [random.Random(n).sample(range(600), 1 + n % 9) for n in range(40)]
        found = await asyncio.gather(*(asks.ask(ask_for(*few), Stored(b"clock")) for few in many))
        assert found == [[*answers_of(*few), b"noon"] for few in many]
        assert await asks.ask(ask_for(*range(500))) == answers_of(*range(500))
        assert await asks.ask() == []

    in_loop(server, work, blocking_pool=blocking_pool)


def test_a_cancelled_task_leaves_no_answers_behind(server: EmbeddedRedis) -> None:
    async def work(asks: AsyncAsker) -> None:
        cancelled = 0
        for rounds in range(40):
            task = asyncio.ensure_future(asks.ask(ask_for(*range(500))))
            for _ in range(rounds % 8):
                await asyncio.sleep(0)
            task.cancel()
            few = random.Random(rounds).sample(range(600), 3)
            assert await asks.ask(ask_for(*few)) == answers_of(*few)
            (outcome,) = await asyncio.gather(task, return_exceptions=True)
            assert isinstance(outcome, asyncio.CancelledError) or outcome == answers_of(*range(500))
            cancelled += isinstance(outcome, asyncio.CancelledError)
        assert cancelled >= 10

    in_loop(server, work)


def test_what_one_task_is_refused_does_not_touch_the_others(server: EmbeddedRedis) -> None:
    async def work(asks: AsyncAsker) -> None:
        bad = asks.ask(FIELDS.of([b"c1", b"text"]))
        found = await asyncio.gather(asks.ask(ask_for(1)), bad, asks.ask(ask_for(2)), return_exceptions=True)
        assert (found[0], found[2]) == (answers_of(1), answers_of(2))
        assert isinstance(found[1], redis.ResponseError)

    in_loop(server, work)


def test_a_broken_connection_is_replaced_in_the_loop(server: EmbeddedRedis) -> None:
    async def work(asks: AsyncAsker) -> None:
        for pause_s in (0.0, 0.05):
            await asks.ask(ask_for(1))
            await asyncio.to_thread(drop_connections, server)
            await asyncio.sleep(pause_s)
            assert await asyncio.gather(asks.ask(ask_for(2)), asks.ask(ask_for(3))) == [answers_of(2), answers_of(3)]

    in_loop(server, work)


def test_a_frozen_server_holds_up_nobody_else(server: EmbeddedRedis) -> None:
    async def work(asks: AsyncAsker) -> None:
        await asks.ask(ask_for(1))
        pid = freeze(server)
        try:
            reads = asyncio.gather(*(asks.ask(ask_for(n)) for n in range(5)), return_exceptions=True)
            gone_on = 0
            while not reads.done():
                await asyncio.sleep(TIMEOUT_S / 20)
                gone_on += 1
            assert all(isinstance(each, StoreUnavailable) for each in reads.result())
            assert gone_on >= 5
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(TIMEOUT_S / 4):
                    await asks.ask(ask_for(1))
        finally:
            os.kill(pid, signal.SIGCONT)
        assert await asks.ask(ask_for(8)) == answers_of(8)

    in_loop(server, work, timeout_s=TIMEOUT_S)


def test_each_loop_opens_a_connection_of_its_own(server: EmbeddedRedis) -> None:
    client = redis.asyncio.Redis.from_url(server.url, socket_timeout=TIMEOUT_S)
    asks = async_asker(client)

    async def once(number: int) -> Any:
        found = await asks.ask(ask_for(number))
        await asks.close()
        return found

    assert [asyncio.run(once(number)) for number in (1, 2)] == [answers_of(1), answers_of(2)]
