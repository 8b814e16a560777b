"""Between Bytewax and the bus: a source of record batches, and a sink that hands items to a handler.

Nothing is kept in Bytewax's recovery: positions are read from the bus (or from where the results are) at the start.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol, TypeAlias

from bytewax.inputs import DynamicSource, StatelessSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition

from flows.feed import Feed, Polled
from flows.helpless import give_up
from rapport.bus.share import Share
from rapport.errors import ArchiveError, BusError, BusUnavailable, StoreUnavailable

__all__ = ["TICK", "BusSource", "Handler", "HandlerSink", "Item", "Tick"]


class Tick(NamedTuple):
    """Time passed: a chance to do what does not wait for records."""


TICK = Tick()
Item: TypeAlias = Polled | Tick

_log = logging.getLogger(__name__)
_FIRST_WAIT_S = 0.02
_LONGEST_WAIT_S = 1.0
_WAIT_FOR_MORE_S = 0.02


class Handler(Protocol):
    """What a sink does with its items. It raises nothing that a restart would not cure."""

    def handle(self, item: Any) -> None: ...

    def flush(self) -> None:
        """These were all items that came together."""

    def close(self) -> None:
        """The flow ends: finish what is held."""


class BusSource(DynamicSource[Item]):  # type: ignore[misc]
    """Polls the feed's partitions, shared out among the workers.

    When there is nothing it waits on the bus, for whatever comes to any branch that reads the same bus.

    Args:
        feed: what to read.
        tick_s: time between two ticks, seconds.
        drain: end when everything has been read, instead of waiting for more.
        pause_s: least time between two reads, seconds; then it never waits on the bus.
    """

    def __init__(self, feed: Feed, *, tick_s: float = 0.2, drain: bool = False, pause_s: float = 0.0) -> None:
        self._feed = feed
        self._tick_s = tick_s
        self._drain = drain
        self._pause_s = pause_s

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _BusPartition:
        share = Share(worker_index, worker_count)
        return _BusPartition(self._feed, share, self._tick_s, self._drain, self._pause_s)


class _BusPartition(StatelessSourcePartition[Item]):  # type: ignore[misc]
    def __init__(self, feed: Feed, share: Share, tick_s: float, drain: bool, pause_s: float) -> None:
        self._feed = feed
        self._share = share
        self._tick_s = tick_s
        self._drain = drain
        self._pause_s = pause_s
        self._next_tick_s = time.monotonic() + tick_s
        self._wait_s = 0.0

    def next_batch(self) -> list[Item]:
        if self._feed.stop.is_set():
            raise StopIteration
        items: list[Item] = []
        try:
            items += self._poll()
            if not items and not self._pause_s and not (self._drain and self._feed.exhausted()):
                self._feed.bus.wait(_WAIT_FOR_MORE_S)
                items += self._poll()
            self._wait_s = 0.0
            if self._drain and not items and self._feed.exhausted():
                raise StopIteration
        except (BusUnavailable, StoreUnavailable, ArchiveError) as error:
            _log.warning("reading was put off: %s", error)
            self._wait_s = min(max(self._wait_s * 2, _FIRST_WAIT_S), _LONGEST_WAIT_S)
        except BusError as error:
            give_up(error)
            self._feed.stop.set()
            raise StopIteration from error
        now_s = time.monotonic()
        if now_s >= self._next_tick_s:
            self._next_tick_s = now_s + self._tick_s
            items.append(TICK)
            self._feed.stage.beat()
        return items

    def next_awake(self) -> datetime:
        # Never None: Bytewax would then wait a millisecond whenever there was nothing.
        return datetime.now(UTC) + timedelta(seconds=self._wait_s or self._pause_s)

    def _poll(self) -> list[Item]:
        found = (self._feed.poll(*place) for place in self._share.of(self._feed.places))
        return [polled for polled in found if polled is not None]


class HandlerSink(DynamicSink[Any]):  # type: ignore[misc]
    """Gives every item to the worker's own handler.

    Args:
        make_handler: called once per worker.
    """

    def __init__(self, make_handler: Callable[[], Handler]) -> None:
        self._make_handler = make_handler

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _HandlerPartition:
        return _HandlerPartition(self._make_handler())


class _HandlerPartition(StatelessSinkPartition[Any]):  # type: ignore[misc]
    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    def write_batch(self, items: list[Any]) -> None:
        for item in items:
            self._handler.handle(item)
        self._handler.flush()

    def close(self) -> None:
        self._handler.close()
