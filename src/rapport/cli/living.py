"""Letting the simulated world live: its events onto the bus, its questions to the decision service."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from rapport.errors import BusFull, ServiceError

if TYPE_CHECKING:
    from rapport.bus import Bus, Message
    from rapport.client import Client
    from rapport.decisions import Decision
    from rapport.events.schema import Event

__all__ = ["Asked", "Asker", "publish_history", "publish_patiently"]

_BATCH = 2_000
_FULL_WAIT_S = 0.05


@dataclass(frozen=True, slots=True)
class Asked:
    """One question to the service, and its answer."""

    customer_id: str
    message: str
    decision: Decision
    latency_ms: float
    """As the asker saw it, the network included."""


@dataclass(slots=True)
class Asker:
    """Asks for decisions, and keeps count. A question that fails is counted and answered neutrally.

    Attributes:
        told: called with each answer.
        failed: how many questions had no answer; `last_failure` says why the last one had none.
    """

    client: Client
    told: Callable[[Asked], None] = lambda asked: None
    asked: int = 0
    failed: int = 0
    last_failure: str = ""
    latencies_ms: list[float] = field(default_factory=list)

    def __call__(self, customer_id: str, session: Mapping[str, Any]) -> Any:
        started = time.perf_counter()
        self.asked += 1
        try:
            decision = self.client.personalize(customer_id, **session)
        except ServiceError as error:
            self.failed += 1
            self.last_failure = str(error)
            return {"tone": "neutral", "template_id": "neutral_help"}
        latency_ms = (time.perf_counter() - started) * 1_000
        self.latencies_ms.append(latency_ms)
        self.told(Asked(customer_id, session.get("message", ""), decision, latency_ms))
        return decision


def publish_history(
    bus: Bus,
    events: Iterable[tuple[str, Event]],
    origin: str,
    seen: Callable[[int, int], None] = lambda n, time_us: None,
) -> int:
    """Publish events in batches; returns how many. `seen` is told how many so far, and the newest event's time."""
    from rapport.clock import to_us
    from rapport.simulate import to_message

    done = 0
    stream = iter(events)
    while batch := list(islice(stream, _BATCH)):
        publish_patiently(bus, [to_message(topic, event, origin) for topic, event in batch])
        done += len(batch)
        seen(done, to_us(batch[-1][1].event_time))
    return done


def publish_patiently(bus: Bus, messages: Sequence[Message]) -> None:
    """Publish, waiting while the bus is full."""
    while True:
        try:
            bus.publish(messages)
            return
        except BusFull:
            time.sleep(_FULL_WAIT_S)
