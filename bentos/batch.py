"""Many turns in one call: a hundred customers are read in a round trip, and each is decided as if it had come alone.

Between two decisions the event loop does whatever else is due, and one batch is worked on at a time: a chatbot whose
turn comes alone does not wait for those of a batch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import msgspec

from bentos.budget import Budget
from bentos.decide import Decider
from bentos.features import FeatureGateway
from bentos.metrics import Metrics
from bentos.schemas import BatchRequest, PersonalizeRequest
from rapport.clock import Clock, rate_of
from rapport.decisions.answers import BatchResult, TurnRefused
from rapport.intake.bodies import decode_body
from rapport.intake.packing import too_large
from rapport.intake.refusal import Refusal
from rapport.online.ahead import ReadAhead
from rapport.online.together import OneRow

__all__ = ["BATCH_LIMIT_BYTES", "PERSONALIZE_LIMIT_BYTES", "Batches", "Given", "customers_in", "parse_batch"]

PERSONALIZE_LIMIT_BYTES = 64 * 1024
"""Of one turn."""
BATCH_LIMIT_BYTES = 2 * 1024 * 1024
READ_TOGETHER = 100
"""Customers that are read in one round trip: what Redis and the process answer well within the deadline of one."""
MOST_WAITING = 8
"""Batches that wait for their turn: with the largest ones, some seconds."""
Given = PersonalizeRequest | Refusal
"""A turn, or why it is none."""

_batch = msgspec.json.Decoder(BatchRequest)
_turn = msgspec.json.Decoder(PersonalizeRequest)
_encoder = msgspec.json.Encoder()


def parse_batch(body: bytes) -> list[Given]:
    """The turns of a body, in their order.

    Raises:
        Refusal: 400, it is no list of 1 to 500 turns.
    """
    return [_parsed(bytes(turn)) for turn in decode_body(_batch, body).turns]


def customers_in(turns: Sequence[Given]) -> Iterator[str]:
    """The customers of those that are turns."""
    return (turn.customer_id for turn in turns if isinstance(turn, PersonalizeRequest))


class Batches:
    """Decides batches.

    Args:
        decider: decides single turns.
        features: what it reads from.
        clock: the world's; all turns of a batch are of one time.
    """

    def __init__(self, decider: Decider, features: FeatureGateway, clock: Clock, metrics: Metrics) -> None:
        self._decider = decider
        self._features = features
        self._clock = clock
        self._metrics = metrics
        self._one_at_a_time = asyncio.Lock()
        self._waiting = 0

    async def decide(self, turns: Sequence[Given], budget: Budget) -> bytes:
        """The answer as JSON (rapport.decisions.answers.BatchAnswer).

        Args:
            budget: of all of them together; turns that it leaves no time for are answered with what costs least.

        Raises:
            Refusal: 429, too many batches wait.
        """
        if self._waiting >= MOST_WAITING:
            raise Refusal(429, "busy", "", "too many batches wait; send this one again later", {"Retry-After": "1"})
        self._waiting += 1
        try:
            async with self._one_at_a_time:
                return await self._decide(turns, budget)
        finally:
            self._waiting -= 1

    async def _decide(self, turns: Sequence[Given], budget: Budget) -> bytes:
        standing = _Standing(self._clock, self._clock.now_us())
        results: list[bytes] = []
        for begin in range(0, len(turns), READ_TOGETHER):
            some = turns[begin : begin + READ_TOGETHER]
            ahead = await self._features.read_ahead(list(customers_in(some)), standing.now_us())
            place = 0
            for turn in some:
                if isinstance(turn, Refusal):
                    result = BatchResult(error=TurnRefused(turn.field, turn.reason, turn.detail))
                else:
                    decider = self._decider.over(_Ahead(self._features, ahead, place), standing)
                    result = BatchResult(await decider.decide(turn, budget.from_now()))
                    place += 1
                results.append(_encoder.encode(result))
                # What came meanwhile goes first.
                await asyncio.sleep(0)
            self._metrics.batch_turns["decided"] += place
            self._metrics.batch_turns["refused"] += len(some) - place
        return b'{"results":[' + b",".join(results) + b"]}"


class _Ahead:
    """Features of one customer, who has been read already."""

    def __init__(self, features: FeatureGateway, ahead: ReadAhead | None, place: int) -> None:
        self.definitions = features.definitions
        self.rebuilding = features.rebuilding
        self._ahead = ahead
        self._place = place

    async def read(self, customer_id: str, as_of_us: int, within_s: float = float("inf")) -> OneRow | None:
        return None if self._ahead is None else self._ahead.at(self._place)


class _Standing:
    """The time of a batch, of a clock that runs as it runs."""

    def __init__(self, clock: Clock, now_us: int) -> None:
        self.rate = rate_of(clock)
        self._now_us = now_us

    def now_us(self) -> int:
        return self._now_us


def _parsed(turn: bytes) -> Given:
    try:
        if len(turn) > PERSONALIZE_LIMIT_BYTES:
            raise too_large(PERSONALIZE_LIMIT_BYTES)
        return decode_body(_turn, turn)
    except Refusal as refusal:
        return refusal
