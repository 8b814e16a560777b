"""Events and feedback that come in over HTTP: checked at the edge for the caller, and put on the bus as they are.

An event that is refused here goes to its topic all the same: ingest puts it among the dead letters, where everything
that was given and not accepted is counted once, wherever it came from.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from bentos.body import decode_body
from bentos.metrics import Metrics
from bentos.pressure import Behind, Pressure
from bentos.refusal import Refusal, refusal_of
from bentos.schemas import MAX_EVENTS, EventsRequest, FeedbackRequest, NdjsonLine
from rapport.bus.protocol import Bus, Message
from rapport.clock import Clock, from_us, to_us
from rapport.decisions.answers import EventResult, EventsAnswer, FeedbackAnswer
from rapport.errors import BusError, BusFull, EventError, RapportError
from rapport.events.decode import decode
from rapport.events.schema import TOPICS, Feedback
from rapport.events.times import event_times

__all__ = ["MAX_KEPT_BYTES", "Given", "Intake", "parse_events", "parse_lines"]

RETRY_AFTER_S = 2
MAX_KEPT_BYTES = 512 * 1024
"""Bytes of one event that are put on the bus, accepted or not: in base64, as a dead letter, they stay below the
megabyte that Kafka takes."""
_request = msgspec.json.Decoder(EventsRequest)
_line = msgspec.json.Decoder(NdjsonLine)
_list = msgspec.json.Decoder(list[msgspec.Raw])

Given = tuple[str, bytes]
"""A topic and an event as it came."""


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

    async def take_events(self, given: Sequence[Given]) -> EventsAnswer:
        """Check events, publish all of them, and say which ones ingest will refuse.

        Raises:
            Refusal: 429 the bus is full or behind: none of these events was taken; 503 it does not answer: they may
                have been, and are to be sent again.
        """
        now_us = self._clock.now_us()
        checked = [_check(index, topic, event, now_us) for index, (topic, event) in enumerate(given)]
        await self.publish(
            [Message(topic, key, event, "http") for (topic, event), (key, _) in zip(given, checked, strict=True)]
        )
        results = [result for _, result in checked]
        refused = sum(result.status == "refused" for result in results)
        for (topic, _), result in zip(given, results, strict=True):
            self._metrics.events[topic, result.reason or "accepted"] += 1
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

    async def publish(self, messages: Sequence[Message]) -> None:
        """Put messages on the bus: all, or none.

        Raises:
            Refusal: 429 the bus is full or behind, 503 it does not answer.
        """
        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._publish_now, messages)
        except Behind as error:
            detail = f"{error}, and {self._pressure.max_lag:,} may: send them again later"
            raise _later(429, "bus_behind", detail, self._pressure.retry_after_s()) from None
        except BusFull as error:
            raise _later(429, "bus_full", str(error), self._pressure.retry_after_s()) from None
        except (BusError, RapportError) as error:
            raise _later(503, "bus_unavailable", str(error), RETRY_AFTER_S) from None

    def _publish_now(self, messages: Sequence[Message]) -> None:
        self._pressure.admit(len(messages))
        self._bus().publish(messages)


def parse_events(body: bytes) -> list[Given]:
    """The events of a JSON body, `{"topic": …, "events": [ … ] or one event}`.

    Raises:
        Refusal: 400.
    """
    request = decode_body(_request, body)
    topic = _topic(request.topic, "topic")
    raw = bytes(request.events)
    if not raw.lstrip().startswith(b"["):
        return [(topic, raw)]
    return _bounded([(topic, bytes(event)) for event in decode_body(_list, raw)])


def parse_lines(body: bytes) -> list[Given]:
    """The events of an NDJSON body, one `{"topic": …, "event": …}` a line.

    Raises:
        Refusal: 400; names the line, from 1.
    """
    given: list[Given] = []
    for number, line in enumerate(body.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            parsed = _line.decode(line)
            given.append((_topic(parsed.topic, "topic"), bytes(parsed.event)))
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise _in_line(number, refusal_of(error, line)) from None
        except Refusal as refusal:
            raise _in_line(number, refusal) from None
    return _bounded(given)


def _check(index: int, topic: str, raw: bytes, now_us: int) -> tuple[str, EventResult]:
    """The event's key ("" when it is refused), and what becomes of it."""
    try:
        event = decode(topic, raw)
        event_times(to_us(event.event_time), now_us)
    except EventError as error:
        return "", EventResult(index, "refused", error.field, error.reason, error.detail)
    return event.customer_id, EventResult(index, "accepted")


def _topic(topic: str, field: str) -> str:
    if topic not in TOPICS:
        raise Refusal(400, "unknown_topic", field, f"{topic[:80]!r} is not a topic; the topics are {', '.join(TOPICS)}")
    return topic


def _bounded(given: list[Given]) -> list[Given]:
    if not given:
        raise Refusal(400, "bad_value", "events", "there are no events in it; give at least one")
    if len(given) > MAX_EVENTS:
        raise Refusal(400, "bad_value", "events", f"{len(given):,} events; at most {MAX_EVENTS:,} are taken at a time")
    for index, (_, event) in enumerate(given):
        if len(event) > MAX_KEPT_BYTES:
            detail = f"event {index} has {len(event):,} bytes; more than {MAX_KEPT_BYTES:,} are not even kept"
            raise Refusal(413, "too_large", "events", detail)
    return given


def _in_line(number: int, refusal: Refusal) -> Refusal:
    place = f"line {number}" + (f", {refusal.field}" if refusal.field else "")
    return Refusal(refusal.status, refusal.reason, place, refusal.detail)


def _later(status: int, reason: str, detail: str, after_s: int) -> Refusal:
    return Refusal(status, reason, "", detail, {"Retry-After": str(after_s)})


def _digest(customer_id: str, key: str) -> str:
    return hashlib.sha256(f"{customer_id}\x00{key}".encode()).hexdigest()[:32]
