"""Strict decoding: raw bytes to an event, or an EventError that says what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from rapport.errors import EventError
from rapport.events.all_pass import all_pass
from rapport.events.refusal import explain
from rapport.events.rules import check_event
from rapport.events.schema import EVENT_TYPES, TOPICS, Event

__all__ = ["MAX_EVENT_BYTES", "Registered", "decode", "decode_many"]

MAX_EVENT_BYTES = 65_536
"""Largest event that is looked at, bytes."""

_MAGIC = b"\0"
"""First byte of a value in the Schema Registry's wire format; no JSON begins with it."""

_BACKSLASH, _DELETE = 0x5C, 0x7F
"""As numbers: a byte is found eight times faster than a text of one byte."""


class Registered(Protocol):
    """Decodes values in the Schema Registry's wire format; rapport.events.formats has it."""

    def decode(self, topic: str, raw: bytes) -> Event:
        """The event, of the topic's struct; what only check_event sees is not checked.

        Raises:
            EventError: it is none.
            RegistryUnavailable: its schema is not known yet, and the registry does not answer.
        """


def decode(topic: str, raw: bytes, formats: Registered | None = None) -> Event:
    """The event that `raw` is.

    Args:
        topic: a key of EVENT_TYPES.
        raw: JSON, UTF-8, or a value in the Schema Registry's wire format; at most MAX_EVENT_BYTES.
        formats: decodes the latter; None: they are refused.

    Raises:
        EventError: reason unknown_topic, too_large, bad_json, missing_field, unknown_field, bad_value or no_customer;
            with `formats` also bad_payload, bad_schema or unknown_schema.
        RegistryUnavailable: the event's schema is not known yet, and the registry does not answer: try again later.
    """
    return _decode(topic, _decoder(topic).decode, raw, formats)


def decode_many(topic: str, values: Sequence[bytes], formats: Registered | None = None) -> list[Event | EventError]:
    """Of each value its event, or why it is none; as `decode`, and with its arguments.

    Raises:
        EventError: unknown_topic.
        RegistryUnavailable: a schema is not known yet, and the registry does not answer: try all again later.
    """
    read = _decoder(topic).decode
    flawless = _flawless(topic, read, values)
    if flawless is not None:
        return flawless
    results: list[Event | EventError] = []
    for raw in values:
        try:
            results.append(_decode(topic, read, raw, formats))
        except EventError as error:
            results.append(error)
    return results


def _flawless(topic: str, read: Any, values: Sequence[bytes]) -> list[Event | EventError] | None:
    """The events, if all are plain JSON and none is to be refused; None: perhaps not, look at them one by one."""
    if max(map(len, values), default=0) > MAX_EVENT_BYTES:
        return None
    try:
        events = list(map(read, values))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    content = b"".join(values)
    if _BACKSLASH in content or _DELETE in content or not all_pass(topic, events):
        return None
    return events


def _decode(topic: str, read: Any, raw: bytes, formats: Registered | None) -> Event:
    if len(raw) > MAX_EVENT_BYTES:
        raise EventError("too_large", "", f"the event has {len(raw):,} bytes; {MAX_EVENT_BYTES:,} are allowed")
    if raw[:1] == _MAGIC:
        registered = _registered(topic, raw, formats)
        check_event(topic, registered, plain=False)
        return registered
    try:
        event: Event = read(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise explain(topic, raw, error) from None
    # In JSON a control character takes a backslash, but for the last one of ASCII.
    check_event(topic, event, plain=_BACKSLASH not in raw and _DELETE not in raw)
    return event


def _registered(topic: str, raw: bytes, formats: Registered | None) -> Event:
    if formats is None:
        raise EventError(
            "unknown_schema",
            "",
            "the event begins with a schema's id, but there is no Schema Registry here: send JSON, or set "
            "RAPPORT_REGISTRY_URL",
        )
    return formats.decode(topic, raw)


def _decoder(topic: str) -> msgspec.json.Decoder[Any]:
    decoder = _DECODERS.get(topic)
    if decoder is None:
        raise EventError("unknown_topic", "", f"there is no topic {topic[:80]!r}; topics are {', '.join(TOPICS)}")
    return decoder


_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    topic: msgspec.json.Decoder(kind) for topic, kind in EVENT_TYPES.items()
}
