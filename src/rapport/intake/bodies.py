"""Bodies of `POST /events`: which events of which topics they carry."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from rapport.events.schema import TOPICS
from rapport.intake.refusal import Refusal, refusal_of

__all__ = [
    "BATCH_HEADER",
    "EVENTS_LIMIT_BYTES",
    "JSON",
    "MAX_EVENTS",
    "MAX_KEPT_BYTES",
    "MAX_NUMBER",
    "NDJSON",
    "SENDER_HEADER",
    "EventsRequest",
    "Given",
    "NdjsonLine",
    "bounded",
    "check_topic",
    "decode_body",
    "parse_events",
    "parse_lines",
]

JSON = "application/json"
NDJSON = "application/x-ndjson"
MAX_EVENTS = 5_000
"""Most events of one body."""
EVENTS_LIMIT_BYTES = 4 * 1024 * 1024
"""Most bytes of a body, packed and unpacked."""
MAX_KEPT_BYTES = 512 * 1024
"""Bytes of one event that are put on the bus, accepted or not: in base64, as a dead letter, they stay below the
megabyte that Kafka takes."""
SENDER_HEADER = "Rapport-Sender"
"""Names the sender of numbered batches: 32 hexadecimal digits."""
BATCH_HEADER = "Rapport-Batch"
"""A batch's number; rapport.intake.numbered says what for."""
MAX_NUMBER = 2**31 - 1
_NOT_WHOLE = ", got `float`"
_EXACT = 2**53
T = TypeVar("T")

Given = tuple[str, bytes]
"""A topic and an event as it came."""


class EventsRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Events of one topic. `events` is one event or a list of them; each is checked by itself."""

    topic: str
    events: msgspec.Raw


class NdjsonLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of an NDJSON body: an event and its topic."""

    topic: str
    event: msgspec.Raw


_request = msgspec.json.Decoder(EventsRequest)
_line = msgspec.json.Decoder(NdjsonLine)
_list = msgspec.json.Decoder(list[msgspec.Raw])


def parse_events(body: bytes) -> list[Given]:
    """The events of a JSON body, `{"topic": …, "events": [ … ] or one event}`.

    Raises:
        Refusal: 400.
    """
    request = decode_body(_request, body)
    topic = check_topic(request.topic, "topic")
    raw = bytes(request.events)
    if not raw.lstrip().startswith(b"["):
        return [(topic, raw)]
    return bounded([(topic, bytes(event)) for event in decode_body(_list, raw)])


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
            given.append((check_topic(parsed.topic, "topic"), bytes(parsed.event)))
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise _in_line(number, refusal_of(error, line)) from None
        except Refusal as refusal:
            raise _in_line(number, refusal) from None
    return bounded(given)


def check_topic(topic: str, field: str) -> str:
    """The topic.

    Raises:
        Refusal: 400, there is none of that name.
    """
    if topic not in TOPICS:
        raise Refusal(400, "unknown_topic", field, f"{topic[:80]!r} is not a topic; the topics are {', '.join(TOPICS)}")
    return topic


def bounded(given: list[Given]) -> list[Given]:
    """The events, neither none nor too many, none too large.

    Raises:
        Refusal: 400, 413.
    """
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


def decode_body(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """The request in a body.

    Raises:
        Refusal: 400, names the field, its value and what is allowed.
    """
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        found = _with_whole_numbers(decoder, body) if _NOT_WHOLE in str(error) else None
        if found is None:
            raise refusal_of(error, body) from None
        return found


def _with_whole_numbers(decoder: msgspec.json.Decoder[T], body: bytes) -> T | None:
    """The request in a body that writes an integer with a fraction of 0, as some languages do; None: there is none.

    To JSON Schema 8.0 is an integer."""
    try:
        found: T = msgspec.convert(msgspec.json.Decoder(float_hook=_number).decode(body), decoder.type)
        return found
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _number(text: str) -> int | float:
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < _EXACT else value
