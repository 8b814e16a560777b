"""One round trip over connections of one's own: what a read costs beyond Redis and the socket is little.

redis-py opens the connections (address, TLS, password, timeouts are those of the client), but its pool, its retries and
its pipelines take longer than the round trip itself, so questions go over the connection directly. A cluster or a
Sentinel needs redis-py's routing, and is asked through its pipelines.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Protocol

import redis

from rapport.online.connect import reachable
from rapport.online.questions import Question

__all__ = ["DOING", "Asker", "Packed", "asker", "is_plain"]

DOING = "reading features"


class Asker(Protocol):
    """Asks one Redis, from any thread."""

    def ask(self, *questions: Question) -> list[Any]:
        """The answers to all commands, in order.

        Raises:
            StoreUnavailable: no connection, or no answer within the client's timeout.
            redis.ResponseError: a command that Redis refuses.
        """
        ...

    def close(self) -> None: ...


def asker(client: Any) -> Asker:
    """An Asker of the Redis that this client has."""
    if is_plain(client, redis.Redis, redis.ConnectionPool):
        return _Direct(client.connection_pool)
    return _Through(client)


def is_plain(client: Any, kind: type[Any], pool: type[Any]) -> bool:
    """Whether the client has a single server and redis-py's usual pool."""
    return isinstance(client, kind) and type(client.connection_pool) is pool


class Packed:
    """Questions as the bytes to send, and how many answers come."""

    __slots__ = ("count", "data")

    def __init__(self, questions: Sequence[Question]) -> None:
        self.data = b"".join([question.packed() for question in questions])
        self.count = sum([question.count for question in questions])


class _Direct:
    """Keeps connections while they are idle, as many as were ever needed at once."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._idle: list[Any] = []
        self._pid = os.getpid()

    def ask(self, *questions: Question) -> list[Any]:
        packed = Packed(questions)
        with reachable(DOING):
            if (idle := self._take()) is not None:
                try:
                    return self._over(idle, packed)
                except redis.ConnectionError:
                    # It broke while it lay idle, as when Redis was restarted: reading again over a new one is harmless.
                    pass
            return self._over(self._pool.connection_class(**self._pool.connection_kwargs), packed)

    def close(self) -> None:
        while (idle := self._take()) is not None:
            idle.disconnect()

    def _take(self) -> Any:
        if self._pid != os.getpid():
            # Connections are not shared with the process that this one was forked from.
            self._idle, self._pid = [], os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _over(self, connection: Any, packed: Packed) -> list[Any]:
        try:
            connection.send_packed_command((packed.data,))
            read = connection.read_response
            answers = [read() for _ in range(packed.count)]
        except BaseException:
            # Answers that were not read would be taken for those of the next question.
            connection.disconnect()
            raise
        self._idle.append(connection)
        return answers


class _Through:
    """Asks through redis-py's pipelines."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def ask(self, *questions: Question) -> list[Any]:
        with reachable(DOING), self._client.pipeline(transaction=False) as pipe:
            for question in questions:
                for command in question.commands():
                    pipe.execute_command(*command)
            answers: list[Any] = pipe.execute()
        return answers

    def close(self) -> None:
        """The connections are the client's."""
