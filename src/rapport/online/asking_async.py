"""The same round trip for asyncio: one connection, over which any number of tasks ask at once.

Redis answers in the order in which it is asked, so each task's answers are found by counting. A task that is cancelled
leaves its answers to be thrown away when they come; a Redis that does not answer in time has its connection cut, and
whoever waits for it is told.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Protocol

import hiredis
import redis
import redis.asyncio

from rapport.online.asking import DOING, Packed, is_plain
from rapport.online.connect import reachable
from rapport.online.questions import Question

__all__ = ["LOOK_FIRST_S", "AsyncAsker", "async_asker"]

_BUFFER_BYTES = 65_536
LOOK_FIRST_S = 0.001
"""Time in which a loop looks at what has arrived."""


class AsyncAsker(Protocol):
    """Asks one Redis, from any task of an event loop."""

    async def ask(self, *questions: Question) -> list[Any]:
        """The answers to all commands, in order.

        Raises:
            StoreUnavailable: no connection, or no answer within the client's timeout.
            redis.ResponseError: a command that Redis refuses.
        """
        ...

    async def close(self) -> None: ...


def async_asker(client: Any) -> AsyncAsker:
    """An AsyncAsker of the Redis that this client has."""
    if is_plain(client, redis.asyncio.Redis, redis.asyncio.ConnectionPool):
        return _Direct(client.connection_pool)
    return _Through(client)


class _Direct:
    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._line: _Line | None = None
        self._opening = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def ask(self, *questions: Question) -> list[Any]:
        packed = Packed(questions)
        with reachable(DOING):
            if (line := self._open_line()) is not None:
                try:
                    return await line.ask(packed)
                except redis.ConnectionError:
                    # It broke while it lay idle, as when Redis was restarted: reading again over a new one is harmless.
                    pass
            async with self._opening:
                line = self._open_line()
                if line is None:
                    line = self._line = await _connect(self._pool)
            return await line.ask(packed)

    async def close(self) -> None:
        if (line := self._open_line()) is not None:
            line.close(redis.ConnectionError("closed"))
            # A socket is let go of in the loop's next round.
            await asyncio.sleep(0)

    def _open_line(self) -> _Line | None:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            # What another loop has opened is of no use to this one.
            self._loop, self._line, self._opening = loop, None, asyncio.Lock()
        return self._line if self._line is not None and self._line.is_open else None


async def _connect(pool: Any) -> _Line:
    connection = pool.connection_class(**pool.connection_kwargs)
    try:
        await connection.connect()
    except BaseException:
        await connection.disconnect(nowait=True)
        raise
    # redis-py has opened it and said who we are; from now on what comes is ours to read.
    transport = connection._writer.transport
    line = _Line(connection, transport)
    transport.set_protocol(line)
    return line


class _Pending:
    """A task that waits for its answers."""

    __slots__ = ("answers", "count", "future", "since_s")

    def __init__(self, future: asyncio.Future[list[Any]], count: int, since_s: float) -> None:
        self.future = future
        self.count = count
        self.since_s = since_s
        self.answers: list[Any] = []


class _Line(asyncio.BufferedProtocol):
    """An open connection."""

    def __init__(self, connection: Any, transport: Any) -> None:
        self._connection = connection
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._limit_s: float | None = connection.socket_timeout
        self._buffer = bytearray(_BUFFER_BYTES)
        errors: Any = {"protocolError": redis.InvalidResponse, "replyError": _refusal}
        self._parser: Any = hiredis.Reader(notEnoughData=_MORE, **errors)
        self._waiting: deque[_Pending] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._late: _Pending | None = None
        self.is_open = True

    def ask(self, packed: Packed) -> asyncio.Future[list[Any]]:
        future: asyncio.Future[list[Any]] = self._loop.create_future()
        if packed.count == 0:
            future.set_result([])
            return future
        self._waiting.append(_Pending(future, packed.count, self._loop.time()))
        if self._timer is None and self._limit_s is not None:
            # One for all: what is asked first is answered first.
            self._timer = self._loop.call_later(self._limit_s, self._look_at_time)
        self._transport.write(packed.data)
        return future

    def close(self, error: redis.RedisError) -> None:
        """Cut the connection; those who wait get the error."""
        self.is_open = False
        if self._timer is not None:
            self._timer.cancel()
        while self._waiting:
            _finish(self._waiting.popleft(), error)
        self._transport.abort()
        # It would warn of a connection left open.
        self._connection._reader = self._connection._writer = None

    def get_buffer(self, _sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        try:
            self._parser.feed(self._buffer, 0, nbytes)
            while (answer := self._parser.gets()) is not _MORE:
                self._take(answer)
        except redis.RedisError as error:
            self.close(redis.ConnectionError(f"what the server sent cannot be read: {error}"))

    def connection_lost(self, exc: Exception | None) -> None:
        self.close(redis.ConnectionError(f"the server closed the connection{f': {exc}' if exc else ''}"))

    def _take(self, answer: Any) -> None:
        if isinstance(answer, hiredis.PushNotification) or not self._waiting:
            # Nobody asked for it.
            return
        pending = self._waiting[0]
        pending.answers.append(answer)
        if len(pending.answers) == pending.count:
            self._waiting.popleft()
            refused = next((each for each in pending.answers if isinstance(each, redis.RedisError)), None)
            _finish(pending, refused)

    def _look_at_time(self) -> None:
        self._timer = None
        if not self._waiting or self._limit_s is None:
            return
        left_s = self._waiting[0].since_s + self._limit_s - self._loop.time()
        if left_s > 0:
            self._timer = self._loop.call_later(left_s, self._look_at_time)
        elif self._late is self._waiting[0]:
            self.close(redis.TimeoutError(f"no answer within {self._limit_s} s"))
        else:
            # A loop that was held up comes to its timers before it looks at what has arrived: look first.
            self._late = self._waiting[0]
            self._timer = self._loop.call_later(LOOK_FIRST_S, self._look_at_time)


def _finish(pending: _Pending, error: redis.RedisError | None) -> None:
    if pending.future.done():
        # Its task was cancelled.
        return
    if error is None:
        pending.future.set_result(pending.answers)
    else:
        pending.future.set_exception(error)


def _refusal(message: str) -> redis.RedisError:
    return redis.BusyLoadingError(message) if message.startswith("LOADING ") else redis.ResponseError(message)


_MORE = object()


class _Through:
    """Asks through redis-py's pipelines."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def ask(self, *questions: Question) -> list[Any]:
        with reachable(DOING):
            async with self._client.pipeline(transaction=False) as pipe:
                for question in questions:
                    for command in question.commands():
                        pipe.execute_command(*command)
                answers: list[Any] = await pipe.execute()
        return answers

    async def close(self) -> None:
        """The connections are the client's."""
