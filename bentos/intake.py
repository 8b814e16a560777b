"""Events and feedback that come in over HTTP: checked at the edge for the caller, and put on the bus as they are.

An event that is refused here goes to its topic all the same: ingest puts it among the dead letters, where everything
that was given and not accepted is counted once, wherever it came from.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import msgspec

from bentos.metrics import Metrics
from bentos.pressure import Behind, Pressure
from bentos.schemas import FeedbackRequest
from rapport.access import Caller
from rapport.bus.protocol import Bus, Message
from rapport.clock import Clock, from_us, to_us
from rapport.decisions.answers import EventResult, EventsAnswer, FeedbackAnswer
from rapport.errors import BusError, BusFull, EventError, RapportError
from rapport.events.decode import decode
from rapport.events.schema import Feedback
from rapport.events.times import event_times
from rapport.intake.bodies import Given
from rapport.intake.numbered import BatchNumber, publish_once
from rapport.intake.refusal import Refusal

__all__ = ["Intake"]

RETRY_AFTER_S = 2
_AT_ONCE = 32
"""Requests with events whose bodies are in memory; each may have 4 MiB."""
_LONGEST_IN_LINE_S = 2.0
_LONGEST_PUBLISHING_S = 3.0
"""Each question to the bus has a limit of its own; a bus that is slow in all of them would take many times that."""
_SLICE = 100
"""Events that are checked at a time, in well under a millisecond; then whoever asks for a decision has a turn."""


class Intake:
    """Puts events on the bus.

    Args:
        bus: gives the bus; may raise what opening it raises.
        clock: dates feedback that has no time of its own.
        pressure: says when ingest is behind.
    """

    def __init__(self, bus: Callable[[], Bus], clock: Clock, metrics: Metrics, pressure: Pressure) -> None:
        self._bus = bus
        self._pressure = pressure
        self._clock = clock
        self._metrics = metrics
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="intake")
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._checking = asyncio.Lock()

    @asynccontextmanager
    async def place(self, left_s: float = _LONGEST_IN_LINE_S) -> AsyncIterator[None]:
        """For a request's body and what is made of it: however many send, memory holds the bodies of a few.

        Args:
            left_s: how long its sender waits for the answer.

        Raises:
            Refusal: 429 there was no place for two seconds, or for as long as its sender waits.
        """
        try:
            async with asyncio.timeout(min(left_s, _LONGEST_IN_LINE_S)):
                await self._places.acquire()
        except TimeoutError:
            detail = f"{_AT_ONCE} requests with events are being worked on: send this one again later"
            raise _later(429, "busy", detail, RETRY_AFTER_S) from None
        try:
            yield
        finally:
            self._places.release()

    async def take_events(
        self, given: Sequence[Given], caller: Caller, batch: BatchNumber | None = None
    ) -> EventsAnswer:
        """Check events, publish all of them, and say which ones ingest will refuse.

        Args:
            given: the events.
            caller: who gives them; none is taken when one is of another tenant's customer.
            batch: the number that their sender gave them, which goes on the bus once.

        Raises:
            Refusal: 429 the bus is full or behind, 403 one is of another tenant: none of these events was taken; 503
                the bus does not answer: they may have been, and are to be sent again; 409 the batch's number was used.
        """
        try:
            # What will be refused is not checked first: a refusal has to cost less than what it keeps away.
            self._pressure.foresee(Counter(topic for topic, _ in given))
        except Behind as error:
            raise self._behind(error) from None
        checked = await self._checked(given)
        if caller.tenant:
            spoken_of = (key or _spoken_of(event) for (_, event), (key, _) in zip(given, checked, strict=True))
            caller.require_customers(filter(None, spoken_of), "events")
        messages = [Message(topic, key, event, "http") for (topic, event), (key, _) in zip(given, checked, strict=True)]
        published = await self.publish(messages, batch)
        results = [result for _, result in checked]
        refused = sum(result.status == "refused" for result in results)
        for (topic, _), result in zip(given, results, strict=True):
            self._metrics.events[topic, (result.reason or "accepted") if published else "repeated"] += 1
        return EventsAnswer(len(given) - refused, refused, results)

    async def take_feedback(self, request: FeedbackRequest, key: str | None) -> FeedbackAnswer:
        """Put feedback on the bus as an event.

        Args:
            key: the caller's idempotency key: the same key and customer give the same event id, whose repetition within
                10 minutes has no effect.

        Raises:
            Refusal: 400 nothing is said in it; 429, 503 as `take_events`.
        """
        if all(value is None for value in (request.csat, request.nps, request.resolved, request.resolution_time_s)):
            raise Refusal(400, "missing_field", "", "give at least one of csat, nps, resolved, resolution_time_s")
        key = key or request.idempotency_key
        event = Feedback(
            event_id=f"fb-{_digest(request.customer_id, key) if key else uuid.uuid4().hex}",
            customer_id=request.customer_id,
            event_time=request.event_time or from_us(self._clock.now_us()),
            csat=request.csat,
            nps=request.nps,
            resolved=request.resolved,
            resolution_time_s=request.resolution_time_s,
            decision_id=request.decision_id,
            conversation_id=request.conversation_id,
        )
        await self.publish([Message("feedback", request.customer_id, msgspec.json.encode(event), "http")])
        self._metrics.events["feedback", "accepted"] += 1
        return FeedbackAnswer(event.event_id)

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def publish(self, messages: Sequence[Message], batch: BatchNumber | None = None) -> bool:
        """Put messages on the bus: all, or none. False: they are a batch that is there.

        Raises:
            Refusal: 429 the bus is full or behind, 503 it does not answer, 409 the batch's number was used.
        """
        try:
            async with asyncio.timeout(_LONGEST_PUBLISHING_S):
                return await asyncio.get_running_loop().run_in_executor(
                    self._threads, self._publish_now, messages, batch
                )
        except TimeoutError:
            detail = f"the bus has not taken it within {_LONGEST_PUBLISHING_S:g} s"
            raise _later(503, "bus_unavailable", detail, RETRY_AFTER_S) from None
        except Behind as error:
            raise self._behind(error) from None
        except BusFull as error:
            raise _later(429, "bus_full", str(error), self._pressure.retry_after_s()) from None
        except (BusError, RapportError) as error:
            raise _later(503, "bus_unavailable", str(error), RETRY_AFTER_S) from None

    async def _checked(self, given: Sequence[Given]) -> list[tuple[str, EventResult]]:
        """Each event's key and what becomes of it. One request at a time, and decisions in between: all of one would
        hold them up for tens of milliseconds."""
        now_us = self._clock.now_us()
        checked: list[tuple[str, EventResult]] = []
        async with self._checking:
            for at in range(0, len(given), _SLICE):
                some = enumerate(given[at : at + _SLICE], at)
                checked += [_check(index, topic, event, now_us) for index, (topic, event) in some]
                await asyncio.sleep(0)
        return checked

    def _behind(self, error: Behind) -> Refusal:
        detail = f"{error}, and {self._pressure.max_lag:,} may: send them again later"
        return _later(429, "bus_behind", detail, error.after_s)

    def _publish_now(self, messages: Sequence[Message], batch: BatchNumber | None) -> bool:
        self._pressure.admit(Counter(message.topic for message in messages))
        if batch is not None:
            return publish_once(self._bus(), batch, messages)
        self._bus().publish(messages)
        return True


def _check(index: int, topic: str, raw: bytes, now_us: int) -> tuple[str, EventResult]:
    """The event's key ("" when it is refused), and what becomes of it."""
    try:
        event = decode(topic, raw)
        event_times(to_us(event.event_time), now_us)
    except EventError as error:
        return "", EventResult(index, "refused", error.field, error.reason, error.detail)
    return event.customer_id, EventResult(index, "accepted")


class _Spoken(msgspec.Struct):
    customer_id: str


_spoken = msgspec.json.Decoder(_Spoken)


def _spoken_of(raw: bytes) -> str:
    """The customer of an event that is refused, "" when none can be read. It becomes a dead letter, which may be mended
    and sent again, or ingest may come to accept it: nobody is to speak of others in one either."""
    try:
        return _spoken.decode(raw).customer_id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""


def _later(status: int, reason: str, detail: str, after_s: int) -> Refusal:
    return Refusal(status, reason, "", detail, {"Retry-After": str(after_s)})


def _digest(customer_id: str, key: str) -> str:
    return hashlib.sha256(f"{customer_id}\x00{key}".encode()).hexdigest()[:32]
