"""Webhooks over HTTP: a request that its source has signed becomes events on the bus, or a dead letter."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from bentos.intake import Intake
from bentos.metrics import Metrics
from bentos.refusal import Refusal
from rapport.bus.protocol import Message
from rapport.clock import Clock
from rapport.decisions.answers import WebhookAnswer, WebhookEvent, WebhookProblem
from rapport.errors import EventError, SignatureRefused
from rapport.webhooks import PAYLOAD_TOPIC, Source, Sources, payload_letter

__all__ = ["Webhooks"]


class Webhooks:
    """Takes the requests of the sources.

    Args:
        sources: their mappings.
        intake: puts messages on the bus.
        clock: the world's, which events must not be ahead of.
    """

    def __init__(self, sources: Sources, intake: Intake, clock: Clock, metrics: Metrics) -> None:
        self._sources = sources
        self._intake = intake
        self._clock = clock
        self._metrics = metrics

    def source(self, name: str) -> Source:
        """The source of a name.

        Raises:
            Refusal: 404 there is none, 503 its mapping file is wrong.
        """
        source = self._sources.get(name)
        if source is None and name in self._sources.problems:
            detail = "the mapping of this source is wrong; the service's log and /readyz say where"
            raise Refusal(503, "mapping_unavailable", "source", detail, {"Retry-After": "30"})
        if source is None:
            raise Refusal(404, "unknown_source", "source", "there is no such source; each has a mapping file")
        return source

    async def take(self, source: Source, headers: Mapping[str, str], body: bytes) -> WebhookAnswer:
        """Verify a request, and publish the events of its payload, or its dead letter.

        Args:
            source: where it came from.
            headers: by their names in small letters.
            body: as it came.

        Raises:
            Refusal: 401 not signed by the source: nothing of it is kept; 429 the bus is full or behind, 503 it does not
                answer: the source is to send it again.
        """
        name = source.mapping.name
        now_us = time.time_ns() // 1_000
        try:
            source.verify(headers, body, now_us)
        except SignatureRefused as error:
            self._metrics.webhooks[name, error.reason] += 1
            raise Refusal(401, error.reason, error.field, error.detail) from None
        answer, messages = await asyncio.to_thread(self._mapped, source, headers, body, now_us)
        if messages:
            await self._intake.publish(messages)
        self._metrics.webhooks[name, answer.status] += 1
        for event in answer.events:
            self._metrics.events[event.topic, "accepted"] += 1
        return answer

    def _mapped(
        self, source: Source, headers: Mapping[str, str], body: bytes, now_us: int
    ) -> tuple[WebhookAnswer, list[Message]]:
        name = source.mapping.name
        try:
            made = source.translate(headers, body, self._clock.now_us())
        except EventError as error:
            problem = WebhookProblem(error.field, error.reason, error.detail)
            letter = payload_letter(source, headers, body, error, now_us)
            return WebhookAnswer(name, "dead_letter", dead_letter=problem), [letter]
        origin = PAYLOAD_TOPIC + name
        messages = [Message(event.topic, event.key, event.value, origin) for event in made.events]
        events = [WebhookEvent(event.topic, event.event_id) for event in made.events]
        return WebhookAnswer(name, "ignored" if made.ignored else "accepted", events, made.skipped), messages
