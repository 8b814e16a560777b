"""The decision log: records go to the bus in batches, from a thread of their own, and never hold up a decision."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from rapport.bus.protocol import Bus, Message
from rapport.decisions.record import DecisionRecord, encode_record
from rapport.errors import RapportError

__all__ = ["DECISIONS_TOPIC", "DecisionLog"]

DECISIONS_TOPIC = "decisions"
_logger = logging.getLogger(__name__)


class DecisionLog:
    """A bounded queue in front of the bus.

    `offer` costs an append. While the bus is full or down, records wait; once the queue is full, new ones are dropped
    and counted. At least once: a batch whose publication failed half-way is published again.

    Args:
        bus: gives the bus to publish to; called for each batch, so that a bus that moves is found again.
        capacity: records that may wait.
        batch: most records of one publication.
        every_s: time between two looks at the queue, seconds.
        retry_s: time to wait after the bus refused a batch, seconds.
    """

    def __init__(
        self,
        bus: Callable[[], Bus],
        *,
        capacity: int = 20_000,
        batch: int = 500,
        every_s: float = 0.02,
        retry_s: float = 0.5,
    ) -> None:
        self._bus = bus
        self._capacity = capacity
        self._batch = batch
        self._every_s = every_s
        self._retry_s = retry_s
        self._waiting: deque[DecisionRecord] = deque()
        self._stopping = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="decision-log", daemon=True)
        self.dropped = 0
        """Records lost because the queue was full, or still waiting at `close`."""
        self.published = 0
        self._thread.start()

    @property
    def depth(self) -> int:
        """Records that wait."""
        return len(self._waiting)

    def waiting(self, decision_id: str) -> DecisionRecord | None:
        """The record of a decision that is not on the bus yet."""
        return next((record for record in list(self._waiting) if record.decision_id == decision_id), None)

    def offer(self, record: DecisionRecord) -> bool:
        """Queue a record; False when it was dropped. Never blocks."""
        if len(self._waiting) >= self._capacity or self._stopping.is_set():
            self.dropped += 1
            return False
        self._waiting.append(record)
        return True

    def close(self, timeout_s: float = 2.0) -> None:
        """Publish what waits, for at most `timeout_s`; what is left is counted as dropped."""
        self._stopping.set()
        self._thread.join(timeout_s)
        lost = len(self._waiting)
        self.dropped += lost
        if lost:
            _logger.warning("decision log: %d records were lost, because the bus did not take them", lost)

    def _run(self) -> None:
        while True:
            sent = self._send_batch()
            if sent and self._waiting:
                continue
            if self._stopping.is_set() and (not self._waiting or not sent):
                return
            self._stopping.wait(self._every_s if sent else self._retry_s)

    def _send_batch(self) -> bool:
        """Publish the oldest records; False when the bus did not take them."""
        batch = [self._waiting[i] for i in range(min(self._batch, len(self._waiting)))]
        if not batch:
            return True
        messages = [Message(DECISIONS_TOPIC, record.customer_id, encode_record(record)) for record in batch]
        started = time.monotonic()
        try:
            self._bus().publish(messages)
        except Exception as error:  # nobody would start this thread again
            if not self._failing:
                said = error if isinstance(error, RapportError) else type(error).__name__
                _logger.warning("decision log: %s (after %.2f s); records wait", said, time.monotonic() - started)
            self._failing = True
            return False
        self._failing = False
        for _ in batch:
            self._waiting.popleft()
        self.published += len(batch)
        return True
