"""Reading a shard without ever waiting for it: one call at a time is on its way, at most four a second."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from typing import Any

from rapport.bus.kinesis_cursor import Cursor, Fetched
from rapport.bus.kinesis_keys import parse_key
from rapport.bus.kinesis_marks import Checkpoint
from rapport.bus.kinesis_shards import shard_id
from rapport.bus.protocol import Position, RecordBatch
from rapport.errors import BusUnavailable

__all__ = ["AT_ONCE", "ShardReader"]

AT_ONCE = 4_000
"""Most records of a call."""
_EVERY_S = 0.25
"""A shard takes five calls a second, of all who read it; the fifth is left to those who ask for its lag."""
_LONGEST_WAIT_S = 5.0
_log = logging.getLogger(__name__)


class ShardReader:
    """See rapport.bus.protocol.Reader; a Kinesis that does not answer, or asks for patience, gives None.

    Args:
        topic: the shard's.
        number: the shard's.
        cursor: where to read.
        executor: makes the calls.
        handed_out: told how far the records go that `poll` returns.
        lag: the reader's lag after a checkpoint.
    """

    def __init__(
        self,
        topic: str,
        number: int,
        cursor: Cursor,
        executor: Executor,
        handed_out: Callable[[Checkpoint], None],
        lag: Callable[[Checkpoint], int],
    ) -> None:
        self._topic = topic
        self._number = number
        self._cursor = cursor
        self._executor = executor
        self._handed_out = handed_out
        self._lag = lag
        self._at = cursor.at
        self._call: Future[Fetched] | None = None
        self._records: Sequence[Mapping[str, Any]] = ()
        self._asked_s = 0.0
        self._not_before_s = 0.0
        self._failed = 0
        self._ended = False
        self._all_seen_s = 0.0

    def poll(self, max_records: int) -> RecordBatch | None:
        """The next records.

        Raises:
            RecordsGone, BusError: what a restart would not cure.
        """
        if not self._records:
            self._collect()
            self._ask()
        if not self._records:
            return None
        taken, self._records = self._records[:max_records], self._records[max_records:]
        return self._batch(taken)

    def lag(self) -> int:
        """0 when there is nothing to read, else how long ago the next record arrived; milliseconds, at least 1."""
        return self._lag(self._at)

    @property
    def ready(self) -> bool:
        """Whether a poll would find an answer."""
        return bool(self._records) or (self._call is not None and self._call.done())

    @property
    def position(self) -> Position:
        """After what was handed out."""
        return self._at.position

    @property
    def ended(self) -> bool:
        """Whether the shard is closed, and all of it was handed out."""
        return self._ended and not self._records

    @property
    def read_to_ms(self) -> int:
        """All that had arrived by then was handed out, if there is nothing left; milliseconds."""
        return 0 if self._records or self._call is not None else self._cursor.read_to_ms

    def seen_all_since(self, time_s: float) -> bool:
        """Whether there was nothing left when it was asked, not before a time (monotonic seconds)."""
        return self.ended or (not self._records and self._all_seen_s >= time_s)

    def _ask(self) -> None:
        now_s = time.monotonic()
        if self._call is None and not self._ended and now_s >= self._not_before_s:
            self._asked_s = now_s
            self._not_before_s = now_s + _EVERY_S
            self._call = self._executor.submit(self._cursor.fetch, AT_ONCE)

    def _collect(self) -> None:
        call = self._call
        if call is None or not call.done():
            return
        self._call = None
        try:
            fetched = call.result()
        except BusUnavailable as error:
            self._failed += 1
            wait_s = random.uniform(0.5, 1.0) * min(_LONGEST_WAIT_S, _EVERY_S * 2**self._failed)  # noqa: S311
            self._not_before_s = time.monotonic() + wait_s
            _log.warning("reading %s of %s again in %.1f s: %s", shard_id(self._number), self._topic, wait_s, error)
            return
        self._failed = 0
        self._records = fetched.records
        self._ended = fetched.ended
        self._all_seen_s = self._asked_s if not fetched.records and not fetched.behind_ms else 0.0

    def _batch(self, taken: Sequence[Mapping[str, Any]]) -> RecordBatch:
        first = self._at.read + 1
        arrivals_us = [round(one["ApproximateArrivalTimestamp"].timestamp() * 1_000) * 1_000 for one in taken]
        names = [parse_key(one["PartitionKey"]) for one in taken]
        self._at = Checkpoint(self._at.read + len(taken), taken[-1]["SequenceNumber"], arrivals_us[-1] // 1_000)
        self._handed_out(self._at)
        return RecordBatch(
            self._topic,
            self._number,
            [Position(first + i, 0) for i in range(len(taken))],
            keys=[key for key, _ in names],
            values=[one["Data"] for one in taken],
            origins=[origin for _, origin in names],
            arrivals_us=arrivals_us,
            sources=[f"{shard_id(self._number)}:{one['SequenceNumber']}" for one in taken],
        )
