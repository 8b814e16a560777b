"""Features for one decision: read within a deadline, behind a circuit breaker, or not at all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol

from bentos.breaker import Breaker
from bentos.metrics import Metrics
from bentos.shared_timeout import SharedTimeout
from rapport.errors import StoreError
from rapport.online.ahead import ReadAhead
from rapport.online.together import OneRow

__all__ = ["FeatureGateway", "Features", "Reader"]

Reading = Coroutine[Any, Any, OneRow]
_logger = logging.getLogger(__name__)


class Features(Protocol):
    """Where a decision's features come from; FeatureGateway says what each of these is."""

    @property
    def definitions(self) -> dict[str, str]: ...

    @property
    def rebuilding(self) -> tuple[str, ...]: ...

    async def read(self, customer_id: str, as_of_us: int, within_s: float = ...) -> OneRow | None: ...


class Reader(Protocol):
    """Reads rows of features (rapport.online.OnlineReader)."""

    async def read_one(self, customer_id: str, as_of_us: int) -> OneRow: ...

    async def read_ahead(self, customer_ids: Sequence[str], as_of_us: int) -> ReadAhead: ...


class FeatureGateway:
    """The online store as decisions see it: an answer in time, or None.

    Attributes:
        reader: what reads; None while the store has not been reached yet.
        definitions: windowed view to the print of the definition that the reader has of it.
        rebuilding: views whose rows do not all hold their customers' past.
    """

    def __init__(self, deadline_s: float, metrics: Metrics, breaker: Breaker | None = None) -> None:
        self.reader: Reader | None = None
        self.definitions: dict[str, str] = {}
        self.rebuilding: tuple[str, ...] = ()
        self.breaker = breaker or Breaker()
        self._deadline_s = deadline_s
        self._in_time = SharedTimeout(deadline_s)
        self._metrics = metrics
        self._going_on: set[asyncio.Task[OneRow | None]] = set()

    async def read(self, customer_id: str, as_of_us: int, within_s: float = float("inf")) -> OneRow | None:
        """One customer's row; None when the store does not answer within the deadline.

        Raises:
            TimeoutError: it has not answered within `within_s`, which is less.
        """
        if self.breaker.is_open or self.reader is None:
            self._metrics.store_errors["circuit_open"] += 1
            return None
        reading = self.reader.read_one(customer_id, as_of_us)
        return await (self._ask_hastily(reading, within_s) if within_s < self._deadline_s else self._ask(reading))

    async def read_ahead(self, customer_ids: Sequence[str], as_of_us: int) -> ReadAhead | None:
        """Many customers' rows in one round trip, within the deadline of one; None as of `read`.

        A read that is too large for its time says nothing of the store, so the breaker is not told of it.
        """
        if self.breaker.is_open or self.reader is None:
            self._metrics.store_errors["circuit_open"] += 1
            return None
        try:
            async with asyncio.timeout(self._deadline_s):
                return await self.reader.read_ahead(customer_ids, as_of_us)
        except (TimeoutError, StoreError) as error:
            self._metrics.store_errors["batch"] += 1
            _logger.warning("a batch is decided without features: %s", str(error) or "no answer in time")
            return None

    async def probe(self, as_of_us: int) -> bool:
        """Ask the store although the breaker may be open; closes it when there is an answer."""
        if self.reader is None:
            return False
        was_open = self.breaker.is_open
        found = await self._ask(self.reader.read_one("", as_of_us)) is not None
        if found and was_open:
            _logger.warning("the online store answers: decisions use features again")
        return found

    async def _ask_hastily(self, reading: Reading, within_s: float) -> OneRow | None:
        """What one caller has no time for says nothing of the store: the read goes on, and tells the breaker."""
        task = asyncio.create_task(self._ask(reading))
        self._going_on.add(task)
        task.add_done_callback(self._going_on.discard)
        async with asyncio.timeout(within_s):
            return await asyncio.shield(task)

    async def _ask(self, reading: Reading) -> OneRow | None:
        try:
            with self._in_time():
                found = await reading
        except TimeoutError:
            self._fail("deadline", f"no answer within {self._deadline_s * 1e3:g} ms")
        except StoreError as error:
            self._fail(type(error).__name__, str(error))
        else:
            self.breaker.succeeded()
            return found
        return None

    def _fail(self, kind: str, why: str) -> None:
        self._metrics.store_errors[kind] += 1
        if not self.breaker.is_open:
            _logger.warning("the online store fails, decisions go on without features: %s", why)
        self.breaker.failed()
