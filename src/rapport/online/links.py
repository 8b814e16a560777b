"""Many commands to Redis at a time, written ahead and read later, over redis-py's own connections.

A connection comes from its client's pool, so login, TLS, sockets and timeouts are as the client was told. It goes back
with nothing left to read on it, or closed.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

import redis

__all__ = ["Link", "Links"]


class Link:
    """A connection to one server."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client
        self._connection: Any = client.connection_pool.get_connection()
        # RESP3 has more than replies, and another parser than hiredis's no reader: then all go through redis-py.
        reader = getattr(getattr(self._connection, "_parser", None), "_reader", None)
        is_plain = reader is not None and str(getattr(self._connection, "protocol", 3)) != "3"
        self._gets: Any = reader.gets if is_plain else None
        self._nothing = reader.gets() if is_plain else None
        """What the reader says when it has no whole reply."""

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
        self.client.connection_pool.release(self._connection)


class Links:
    """The connections of one piece of work, one per server; a context manager."""

    def __init__(self) -> None:
        self._links: dict[int, Link] = {}

    def to(self, client: redis.Redis) -> Link:
        link = self._links.get(id(client))
        if link is None:
            link = self._links[id(client)] = Link(client)
        return link

    def __enter__(self) -> Links:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for link in self._links.values():
            # After an error replies may be left, which the next user of the connection would take for its own.
            link.close(clean=error is None)
