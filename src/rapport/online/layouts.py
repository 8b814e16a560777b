"""The layouts that stored rows may have: kept in Redis by digest, so that tiles of a changed declaration stay readable.

`rapport:layouts:<project>` is a hash: 4 bytes of digest to the layout as JSON, a list of [column, kind, slide_us,
reach_us, parts] (docs/row-format.md). Who is about to write rows puts their layout there first.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import msgspec
import redis

from rapport.errors import StoreError
from rapport.online.connect import reachable
from rapport.windows import Layout, Plan, SeriesLayout

__all__ = ["Layouts"]

_ASK_AGAIN_S = 1.0
# Made at import: two threads that decode a type for the first time at once crash msgspec.
_decoder = msgspec.json.Decoder(tuple[SeriesLayout, ...])


class Layouts:
    """Finds layouts by digest. What is not known is asked of Redis, at most once a second.

    Args:
        client: a Redis client with `decode_responses` off and a timeout.
        project: the Feast project's name.
        plans: plans whose layouts are known from the start.
    """

    def __init__(self, client: redis.Redis, project: str, plans: Iterable[Plan] = ()) -> None:
        self._client = client
        self._key = layouts_key(project)
        self._known = {plan.layout: plan.keeps for plan in plans}
        self._not_before_s = 0.0

    def register(self) -> None:
        """Put the known layouts into Redis: before the first row of theirs is written.

        Raises:
            StoreUnavailable
        """
        fields = {digest: msgspec.json.encode(list(layout.series)) for digest, layout in self._known.items()}
        if fields:
            with reachable("registering layouts"):
                self._client.hset(self._key, mapping=fields)

    def find(self, digest: bytes) -> Layout | None:
        """The layout, or None when it is not in Redis either (or Redis was asked for an unknown one a moment ago).

        Raises:
            StoreUnavailable
            StoreError: what Redis holds is not a layout.
        """
        if digest not in self._known and time.monotonic() >= self._not_before_s:
            self._not_before_s = time.monotonic() + _ASK_AGAIN_S
            with reachable("looking up a layout"):
                stored = self._client.hgetall(self._key)
            self._known |= {bytes(key): _decoded(key, value) for key, value in stored.items()}  # type: ignore[union-attr]
        return self._known.get(digest)


def layouts_key(project: str) -> str:
    """The Redis key of a project's layouts."""
    return f"rapport:layouts:{project}"


def _decoded(digest: bytes, data: bytes) -> Layout:
    try:
        layout = Layout(tuple(_decoder.decode(data)))
    except msgspec.MsgspecError as error:
        raise StoreError(f"the stored layout {digest.hex()} cannot be read: {error}") from error
    if layout.digest != digest:
        raise StoreError(f"the stored layout {digest.hex()} is in truth {layout.digest.hex()}: delete the field")
    return layout
