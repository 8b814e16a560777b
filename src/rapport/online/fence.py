"""Loading and fenced writing of customers' hashes: the only place that writes windowed rows.

A write carries, per row, the mark that the row was read with. A script (rapport.online.script) checks each customer's
marks and writes those rows that still match, all views of a customer or none; it answers which did not match.

Commands are sent ahead and their replies read later, so that Redis works on some rows while the caller computes
others. What a server refuses to do as asked (a script that it has forgotten, a slot that has moved) is asked again
through redis-py, which knows where to.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha1
from itertools import chain
from typing import Any

import numpy as np
import redis

from rapport.online.connect import reachable
from rapport.online.keys import TILES, KeyMaker, field_of, time_field
from rapport.online.links import Link, Links
from rapport.online.packed import Longs, Packed, pack
from rapport.online.packed_keys import KeyPacker
from rapport.online.resp import Calls, Commands
from rapport.online.routing import AnyRedis, router_of
from rapport.online.script import fence_script

__all__ = ["RowStore", "Session", "Values"]

Values = tuple[bytes | None, ...]
"""A customer's stored values (mark and row), one per view; None: there is none."""

_NONE = np.zeros(0, np.int64)
_ASK_AGAIN = (
    redis.exceptions.NoScriptError,
    redis.exceptions.MovedError,
    redis.exceptions.AskError,
    redis.exceptions.TryAgainError,
    redis.exceptions.ClusterDownError,
)


class RowStore:
    """The rows of some views of one project, in a fixed order of views."""

    def __init__(self, client: AnyRedis, project: str, views: Sequence[str]) -> None:
        self.client = client
        self.keys = KeyPacker(KeyMaker(project))
        self.fields = [field_of(view, TILES) for view in views]
        self.script = fence_script(self.fields, [time_field(view) for view in views])
        self.router = router_of(client)
        digest = sha1(self.script.encode(), usedforsecurity=False).hexdigest()
        self.commands = Commands(self.fields, digest, self.router.rows_per_call)
        self._is_loaded = False
        self._links = Links()

    def load(self, customer_ids: Sequence[str]) -> list[Values]:
        """The stored values of each customer, in one round trip.

        Raises:
            StoreUnavailable
        """
        found: list[Values] = [()] * len(customer_ids)
        with self.session() as session:
            keys = self.keys.keys(customer_ids)
            session.ask(keys, np.arange(len(customer_ids)))
            numbers, values = session.receive(keys)
        views = len(self.fields)
        for at, number in enumerate(numbers.tolist()):
            found[number] = tuple(values.get(at * views + view) or None for view in range(views))
        return found

    def write(self, customer_ids: Sequence[str], loaded: Sequence[Values], changed: Sequence[Values]) -> list[int]:
        """Write each customer's changed values (None: as loaded) if its marks are still those that were loaded.

        Returns:
            The indices of customers whose marks have moved; nothing of theirs was written.

        Raises:
            StoreUnavailable
        """
        old = pack([value for each in loaded for value in each])
        new = pack([each[view] for view in range(len(self.fields)) for each in changed])
        with self.session() as session:
            keys = self.keys.keys(customer_ids)
            session.write(keys, np.arange(len(customer_ids)), old, new)
            return sorted(session.refused(keys))

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Connections for one batch; one at a time.

        Raises:
            StoreUnavailable: at any time while it is open. Some of the customers may have been written. Doing it again
                is safe: loaded anew, they carry the new marks.
        """
        with reachable("updating rows"):
            if not self._is_loaded:
                self.client.script_load(self.script)
                self._is_loaded = True
            self._links.begin()
            try:
                yield Session(self, self._links)
            except BaseException as error:
                self._links.close()
                if isinstance(error, redis.ConnectionError | redis.TimeoutError):
                    self.router.find_again()
                raise


class Session:
    """Loads and writes chunks of customers; what was sent first is to be received first."""

    def __init__(self, store: RowStore, links: Links) -> None:
        self._store = store
        self._links = links
        self._asked: deque[list[tuple[Link, Longs]]] = deque()
        self._written: deque[list[tuple[Link, Calls]]] = deque()

    def ask(self, keys: Packed, rows: Longs) -> None:
        """Ask for the values of some of the keys (int64[m], their numbers)."""
        parts = []
        for client, some in self._store.router.route(keys, rows):
            link = self._links.to(client)
            link.send(self._store.commands.hmgets(keys, some))
            parts.append((link, some))
        self._asked.append(parts)

    def receive(self, keys: Packed) -> tuple[Longs, Packed]:
        """What was asked for: the numbers of the keys, and the values of each one's views, key by key."""
        parts = [_NONE]
        values: list[bytes | None] = []
        for link, some in self._asked.popleft():
            replies, errors = link.read(len(some))
            for at in errors:
                replies[at] = self._again(replies[at], "HMGET", keys.get(int(some[at])), *self._store.fields)
            values.extend(chain.from_iterable(replies))
            parts.append(some)
        return parts[-1] if len(parts) <= 2 else np.concatenate(parts), pack(values)

    def write(self, keys: Packed, rows: Longs, old: Packed, new: Packed) -> None:
        """Write the new values (empty: as they are) of some of the keys, where the marks are still those of `old`.

        Args:
            rows: int64[m], numbers of keys.
            old: values key by key.
            new: values view by view.
        """
        parts = []
        store = self._store
        for client, some in store.router.route(keys, rows):
            link = self._links.to(client)
            calls = store.commands.calls(keys, some, old, new)
            link.send(calls.data)
            parts.append((link, calls))
        self._written.append(parts)

    def refused(self, keys: Packed) -> list[int]:
        """The numbers of the keys whose marks had moved; nothing of theirs was written."""
        numbers: list[int] = []
        for link, calls in self._written.popleft():
            replies, errors = link.read(len(calls))
            for call in errors:
                names = [keys.get(row) for row in calls.rows_of(call).tolist()]
                command = ("EVAL", self._store.script, len(names), *names, calls.blob_of(call))
                replies[call] = self._again(replies[call], *command)
            for call, failed in enumerate(replies):
                if failed:
                    numbers += calls.rows_of(call)[failed].tolist()
        return numbers

    def _again(self, error: Exception, *command: Any) -> Any:
        if not isinstance(error, _ASK_AGAIN):
            raise error
        client: Any = self._store.client
        return client.execute_command(*command)
