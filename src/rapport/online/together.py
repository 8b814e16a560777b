"""Customers who are asked for in the same round of an event loop are read together: one question and one decoding for
all of them. Nobody waits for that: a round of one asks as soon as a round of many."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple

from rapport.online.imagining import Imagine
from rapport.online.questions import Reply
from rapport.online.rows import FeatureRows

__all__ = ["OneRow", "Together"]

_MOST = 32
"""Of one round: decoding more would keep the loop from others for too long."""
Ask = Callable[[Sequence[str], Sequence[int]], Coroutine[Any, Any, tuple[FeatureRows, Sequence[Reply]]]]


class OneRow(NamedTuple):
    """One customer among those who were read together.

    Attributes:
        rows: all of their rows.
        at: the customer's place there.
        imagine: gives the features of a windowed view as if one more event had been streamed
            (`rapport.online.imagining`): None for a view that is not read, or cannot be.
    """

    rows: FeatureRows
    at: int
    imagine: Imagine


class _Round:
    """Who asks together. `future` is one customer's."""

    def __init__(self) -> None:
        self.customer_ids: list[str] = []
        self.as_of_us: list[int] = []
        self.futures: list[asyncio.Future[OneRow]] = []


class Together:
    """Gathers what the tasks of an event loop ask for.

    Args:
        ask: the rows of some customers, each as of a time of its own, and the replies they were made of.
        imagine: what imagines events of one reply's customer.
    """

    def __init__(self, ask: Ask, imagine: Callable[[Reply, int], Imagine]) -> None:
        self._ask = ask
        self._imagine = imagine
        self._round: _Round | None = None
        self._asking: set[asyncio.Task[None]] = set()

    def read(self, customer_id: str, as_of_us: int) -> asyncio.Future[OneRow]:
        """One customer's row. Errors are those of `ask`."""
        loop = asyncio.get_running_loop()
        gathered = self._round
        if gathered is None or len(gathered.futures) == _MOST or gathered.futures[0].get_loop() is not loop:
            gathered = self._round = _Round()
            # it begins in the loop's next round, when all of this one have joined
            task = loop.create_task(self._run(gathered))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
        future: asyncio.Future[OneRow] = loop.create_future()
        gathered.customer_ids.append(customer_id)
        gathered.as_of_us.append(as_of_us)
        gathered.futures.append(future)
        return future

    async def _run(self, gathered: _Round) -> None:
        if self._round is gathered:
            self._round = None
        try:
            rows, replies = await self._ask(gathered.customer_ids, gathered.as_of_us)
        except BaseException as error:
            for future in gathered.futures:
                if not future.done():
                    future.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for at, future in enumerate(gathered.futures):
            # who has no time left has gone away
            if not future.done():
                future.set_result(OneRow(rows, at, self._imagine(replies[at], gathered.as_of_us[at])))
