"""Payloads that no event could be made of, as dead letters, and how those are mapped again."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable, Mapping

import msgspec

from rapport.bus.protocol import Message
from rapport.dead_letters import DEAD_LETTERS, RETRY_ORIGIN, DeadLetter, StoredLetter, send_again
from rapport.dead_letters.settle import Resend
from rapport.errors import EventError, MappingError
from rapport.webhooks.sources import Source

__all__ = ["PAYLOAD_TOPIC", "payload_letter", "resend_payloads"]

PAYLOAD_TOPIC = "webhook:"
"""What the topic of such a letter begins with; the source's name follows."""

_NOWHERE = (0, 0)


def payload_letter(
    source: Source, headers: Mapping[str, str], body: bytes, error: EventError, arrival_us: int, origin: str = ""
) -> Message:
    """The dead letter of a payload.

    Args:
        source: where it came from.
        headers: of the request; those that the mapping reads are kept.
        body: the payload as it came.
        error: why no event could be made of it.
        arrival_us: when it came; system time, UTC, microseconds.
        origin: the source's, unless it is given.
    """
    name = source.mapping.name
    kept = {key: value for key, value in headers.items() if key in source.translator.headers}
    customers = source.translator.customers_of(body, kept)
    letter = DeadLetter(
        topic=PAYLOAD_TOPIC + name,
        partition=0,
        position=_NOWHERE,
        key=customers[0] if customers else "",
        origin=origin or PAYLOAD_TOPIC + name,
        reason=error.reason,
        field=error.field,
        detail=error.detail,
        arrival_us=arrival_us,
        value=b64encode(body).decode(),
        schema=source.loaded.schema,
        headers=kept,
        customers=customers,
    )
    return Message(DEAD_LETTERS, letter.key, msgspec.json.encode(letter), letter.origin)


def resend_payloads(find: Callable[[str], Source | None], world_us: Callable[[], int]) -> Resend:
    """What is to be sent for a letter when it is retried: for a payload the events that its mapping makes of it by now,
    or another letter; for anything else what `send_again` says.

    Args:
        find: gives a source by its name.
        world_us: the world's time, microseconds.
    """

    def resend(stored: StoredLetter) -> list[Message]:
        letter = stored.letter
        if not letter.topic.startswith(PAYLOAD_TOPIC):
            return send_again(stored)
        name = letter.topic.removeprefix(PAYLOAD_TOPIC)
        source = find(name)
        if source is None:
            raise MappingError(
                f"letter {stored.id} came from the webhook source {name!r}, which has no mapping: put "
                f"{name}.yaml back, or drop its letters"
            )
        try:
            made = source.translate(letter.headers, letter.raw, world_us())
        except EventError as error:
            return [payload_letter(source, letter.headers, letter.raw, error, time.time_ns() // 1_000, RETRY_ORIGIN)]
        return [Message(event.topic, event.key, event.value, RETRY_ORIGIN) for event in made.events]

    return resend
