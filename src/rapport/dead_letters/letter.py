"""What a dead letter holds, and how one is written."""

from __future__ import annotations

from base64 import b64decode, b64encode

import msgspec

from rapport.bus.protocol import Message, RecordBatch
from rapport.errors import EventError
from rapport.events.schema import EVENT_TYPES

__all__ = ["DEAD_LETTERS", "RETRY_ORIGIN", "DeadLetter", "letter_message", "schema_of"]

DEAD_LETTERS = "dead_letters"
"""The topic of dead letters."""
RETRY_ORIGIN = "retry"
"""The origin of retried events: their counters are apart from those of the run that brought them first."""

_WIRE_HEAD_BYTES = 5


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A refused event, as it lies on the bus in JSON."""

    topic: str
    """The topic that it was sent to; `webhook:<source>` for a payload that no event could be made of."""
    partition: int
    position: tuple[int, int]
    """Where it stood in that topic; (0, 0) when it never stood on the bus."""
    key: str
    origin: str
    reason: str
    field: str
    detail: str
    arrival_us: int
    """When the bus accepted it: system time, UTC, microseconds."""
    value: str
    """The original bytes, base64."""
    schema: str = ""
    """What it was checked against, as `schema_of` names it; "" for letters that were written before this was kept."""
    headers: dict[str, str] = {}
    """Of a webhook's payload: the headers that its mapping reads."""
    customers: list[str] = []
    """Of a webhook's payload: the customers in it, as far as its mapping can tell; the first is the key."""

    @property
    def raw(self) -> bytes:
        """The original bytes."""
        return b64decode(self.value)


def schema_of(topic: str, raw: bytes) -> str:
    """The name of the schema that an event is checked against: `registry:17` for bytes that carry the id of a schema in
    the registry, `Feedback/1` (struct and version) for JSON, "" where there is none."""
    if raw[:1] == b"\x00" and len(raw) >= _WIRE_HEAD_BYTES:
        return f"registry:{int.from_bytes(raw[1:_WIRE_HEAD_BYTES], 'big')}"
    return f"{EVENT_TYPES[topic].__name__}/1" if topic in EVENT_TYPES else ""


def letter_message(batch: RecordBatch, i: int, error: EventError, schema: str | None = None) -> Message:
    """The dead letter of a batch's i-th record, ready for the bus.

    Args:
        batch: the records.
        i: the place of the refused one.
        error: why it is refused.
        schema: what it was checked against; None: as `schema_of` says.
    """
    raw = batch.values[i]
    letter = DeadLetter(
        topic=batch.topic,
        partition=batch.partition,
        position=batch.positions[i],
        key=batch.keys[i],
        origin=batch.origins[i],
        reason=error.reason,
        field=error.field,
        detail=error.detail,
        arrival_us=batch.arrivals_us[i],
        value=b64encode(raw).decode(),
        schema=schema_of(batch.topic, raw) if schema is None else schema,
    )
    return Message(DEAD_LETTERS, batch.keys[i], msgspec.json.encode(letter), batch.origins[i])
