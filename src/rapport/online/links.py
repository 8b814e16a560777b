"""Many commands to Redis at a time, written ahead and read later, over redis-py's own connections.

A connection comes from its client's pool, so login, TLS, sockets and timeouts are as the client was told. It is kept:
to take it from the pool for each piece of work costs as much as a round trip. After an error it goes back, closed.
"""

from __future__ import annotations

import time
import weakref
from typing import Any

import redis

__all__ = ["Link", "Links"]

_TRUSTED_S = 0.5
"""To look whether a connection is whole takes three system calls, a tenth of what a small batch takes."""


class Link:
    """A connection to one server."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._connection: Any = client.connection_pool.get_connection()
        self._gets: Any = None
        self._nothing: Any = None
        self._used_s = -_TRUSTED_S

    def make_ready(self) -> None:
        """Be connected, with nothing left to read: a server that was restarted has closed the connection.

        One that was used a moment ago is taken to be; if it is not, the next command fails.

        Raises:
            redis.ConnectionError, redis.TimeoutError
        """
        now_s = time.monotonic()
        is_trusted, self._used_s = now_s - self._used_s < _TRUSTED_S, now_s
        if is_trusted:
            return
        connection = self._connection
        try:
            is_stale = connection.can_read()
        except (redis.ConnectionError, redis.TimeoutError, OSError):
            is_stale = True
        if is_stale:
            connection.disconnect()
            connection.connect()
        # RESP3 has more than replies, and another parser than hiredis's no reader: then all go through redis-py.
        reader: Any = getattr(getattr(connection, "_parser", None), "_reader", None)
        is_plain = reader is not None and str(getattr(connection, "protocol", 3)) != "3"
        self._gets = reader.gets if is_plain else None
        # What the reader says when it has no whole reply.
        self._nothing = reader.gets() if is_plain else None

    def send(self, commands: memoryview) -> None:
        """Send encoded commands."""
        self._connection.send_packed_command([commands])

    def read(self, count: int) -> tuple[list[Any], list[int]]:
        """The next `count` replies, in the order of the commands, and the places of those that are errors."""
        replies = list[Any]()
        while len(replies) < count:
            try:
                replies.append(self._connection.read_response())
            except redis.ResponseError as error:
                replies.append(error)
            self._take_what_came_with_it(replies, count)
        errors = [at for at, reply in enumerate(replies) if isinstance(reply, Exception)]
        for at in errors:
            if isinstance(replies[at], redis.ConnectionError):
                raise replies[at]
        return replies, errors

    def _take_what_came_with_it(self, replies: list[Any], count: int) -> None:
        """Take the replies that redis-py's parser has by now: through redis-py each takes 1.4 microseconds, so 0.2."""
        if self._gets is not None:
            while len(replies) < count and (reply := self._gets()) is not self._nothing:
                replies.append(reply)

    def close(self, *, clean: bool) -> None:
        if not clean:
            self._connection.disconnect()
        self._client.connection_pool.release(self._connection)


class Links:
    """The connections of one who writes, one per server. One thread at a time."""

    def __init__(self) -> None:
        self._kept: dict[int, Link] = {}
        self._ready: dict[int, Link] = {}
        # They go back to their pools with their owner.
        weakref.finalize(self, _close_all, self._kept, clean=True).atexit = False

    def begin(self) -> None:
        """A new piece of work begins."""
        self._ready.clear()

    def to(self, client: redis.Redis) -> Link:
        """The connection to a server, which is made sure of once in a piece of work."""
        link = self._ready.get(id(client))
        if link is None:
            link = self._kept.get(id(client))
            if link is None:
                link = self._kept[id(client)] = Link(client)
            link.make_ready()
            self._ready[id(client)] = link
        return link

    def close(self) -> None:
        """After an error replies may be left, which the next user of the connection would take for its own."""
        self._ready.clear()
        _close_all(self._kept, clean=False)


def _close_all(links: dict[int, Link], *, clean: bool) -> None:
    while links:
        links.popitem()[1].close(clean=clean)
