"""What "now" is to a reader of the online store: the world clock that Redis holds, else the system's time."""

from __future__ import annotations

import msgspec

from rapport.clock import Clock, SystemClock, WorldClock
from rapport.errors import StoreError

__all__ = ["published_clock"]


def published_clock(data: bytes | None) -> Clock:
    """The clock of the value of `rapport:clock` (WORLD_CLOCK_KEY).

    Raises:
        StoreError: the value is not a world clock.
    """
    if data is None:
        return SystemClock()
    try:
        return msgspec.json.decode(data, type=WorldClock)
    except msgspec.MsgspecError as error:
        raise StoreError(
            f"the Redis key rapport:clock holds {data[:80]!r}, which is not a world clock ({error}); delete the key "
            "to use the system's time"
        ) from error
