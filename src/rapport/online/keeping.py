"""Since when each view is kept in the online store, and whether its rows hold their customers' past.

`rapport:kept:<project>` is a hash: view to Kept as JSON. The features flow writes it when it begins a view; `rapport
rebuild` says that the past has been added.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import msgspec
import redis

from rapport.bus.protocol import START, Position
from rapport.errors import StoreError
from rapport.online.connect import reachable
from rapport.windows import Gap, Plan

__all__ = ["Keeping", "Kept"]

_REFRESH_S = 0.5


class Kept(msgspec.Struct, frozen=True):
    """How a view is kept.

    Attributes:
        layout: the digest of the layout in which rows are written, in hexadecimal.
        since_us: when the view was begun: the world's time then, microseconds UTC.
        begun: partition to the position after which every event is in the rows: what was before is lacking.
        complete: nothing is lacking any more, or nothing was before.
    """

    layout: str
    since_us: int
    begun: dict[int, Position]
    complete: bool

    def gap(self, partition: int) -> Gap | None:
        """What the row of a customer lacks that is begun now; None: nothing."""
        position = START if self.complete else self.begun.get(partition, START)
        return None if position == START else Gap(self.since_us, position.hi, position.lo)


# Made at import: two threads that decode a type for the first time at once crash msgspec.
_decoder = msgspec.json.Decoder(Kept)


class Keeping:
    """The record of how a project's views are kept.

    Args:
        client: a Redis client with `decode_responses` off and a timeout.
        project: the Feast project's name.
    """

    def __init__(self, client: redis.Redis, project: str) -> None:
        self._client = client
        self._key = kept_key(project)
        self._views: dict[str, Kept] = {}
        self._refresh_at_s = 0.0

    def begin(self, plans: Sequence[Plan], begun: Mapping[int, Position], now_us: int) -> None:
        """Note that these views of one topic are written from now on; what is noted already stays.

        A view whose layout has changed is incomplete from now on: its rows are translated when they are next written.

        Args:
            begun: the position of each partition of the topic after which all events will come; START: from the first.
            now_us: the world's time.

        Raises:
            StoreUnavailable
        """
        fresh = not any(position > START for position in begun.values())
        for plan in plans:
            name, layout = plan.view.name, plan.layout.hex()
            kept = Kept(layout, now_us, dict(begun), complete=fresh)
            with reachable("noting how views are kept"):
                self._client.hsetnx(self._key, name, msgspec.json.encode(kept))  # type: ignore[arg-type]
            known = self.all()[name]
            if known.layout != layout:
                self._put(name, msgspec.structs.replace(known, layout=layout, complete=False))

    def finish(self, view: str, layout: str) -> bool:
        """Note that a view's rows hold the past; False when the view has another layout by now, and lacks again.

        Raises:
            StoreUnavailable
        """
        known = self.all().get(view)
        if known is None or known.layout != layout:
            return False
        self._put(view, msgspec.structs.replace(known, complete=True))
        return True

    def gap(self, view: str, partition: int) -> Gap | None:
        """What a row that is begun now lacks. While a view is incomplete this looks into Redis twice a second.

        Raises:
            StoreUnavailable
        """
        kept = self._views.get(view)
        if (kept is None or not kept.complete) and time.monotonic() >= self._refresh_at_s:
            kept = self.all().get(view)
        return None if kept is None else kept.gap(partition)

    def all(self) -> dict[str, Kept]:
        """All views that are kept, as Redis has them now.

        Raises:
            StoreUnavailable
            StoreError: what Redis holds is not a record of views.
        """
        with reachable("looking up how views are kept"):
            stored = self._client.hgetall(self._key)
        self._refresh_at_s = time.monotonic() + _REFRESH_S
        try:
            self._views = {key.decode(): _decoder.decode(data) for key, data in stored.items()}  # type: ignore[union-attr]
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise StoreError(f"the Redis key {self._key} is not a record of kept views: {error}") from error
        return self._views

    def _put(self, view: str, kept: Kept) -> None:
        with reachable("noting how views are kept"):
            self._client.hset(self._key, view, msgspec.json.encode(kept))  # type: ignore[arg-type]


def kept_key(project: str) -> str:
    """The Redis key of the record."""
    return f"rapport:kept:{project}"
