"""Mending events: fields set or taken away, everything else left byte by byte as it was given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from rapport.bus.protocol import Message
from rapport.dead_letters.box import StoredLetter
from rapport.dead_letters.letter import RETRY_ORIGIN
from rapport.errors import EventError
from rapport.events.decode import decode

__all__ = ["edited_event", "with_fields"]

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_list = msgspec.json.Decoder(list[msgspec.Raw])


def edited_event(stored: StoredLetter, raw: bytes) -> Message:
    """The mended event of a letter, on the way to its topic, under its own customer.

    Raises:
        EventError: it would be refused again.
    """
    event = decode(stored.letter.topic, raw)
    return Message(stored.letter.topic, event.customer_id, raw, RETRY_ORIGIN)


def with_fields(raw: bytes, values: Mapping[str, str], without: Sequence[str] = ()) -> bytes:
    """JSON with some of its fields set or taken away; numbers elsewhere stay exactly as they are written.

    Args:
        raw: JSON.
        values: path (`csat`, `line_items.0.price`) to the new value: JSON, or a text that is none.
        without: paths of fields that go.

    Raises:
        EventError: `raw` is not JSON, or has no such place.
    """
    for path, text in values.items():
        raw = _changed(raw, path.split("."), _as_json(text), path)
    for path in without:
        raw = _changed(raw, path.split("."), None, path)
    return raw


def _changed(raw: bytes, steps: list[str], new: bytes | None, path: str) -> bytes:
    try:
        whole: dict[str, msgspec.Raw] | list[msgspec.Raw]
        whole = _list.decode(raw) if raw.lstrip()[:1] == b"[" else _object.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise EventError("bad_json", path, f"the bytes are not JSON with such a field: {error}") from None
    step, rest = steps[0], steps[1:]
    try:
        _change(whole, step, rest, new, path)
    except (KeyError, IndexError, ValueError):
        raise EventError("bad_value", path, f"there is no {step!r} in it; give the path of a field") from None
    return msgspec.json.encode(whole)


def _change(
    whole: dict[str, msgspec.Raw] | list[msgspec.Raw], step: str, rest: list[str], new: bytes | None, path: str
) -> None:
    key = int(step) if isinstance(whole, list) else step
    if rest:
        inner = whole[key]  # type: ignore[index]
        whole[key] = msgspec.Raw(_changed(bytes(inner), rest, new, path))  # type: ignore[index]
    elif new is None:
        del whole[key]  # type: ignore[arg-type]
    elif isinstance(whole, list):
        whole[int(step)] = msgspec.Raw(new)
    else:
        whole[step] = msgspec.Raw(new)


def _as_json(text: str) -> bytes:
    try:
        msgspec.json.decode(text)
        return text.encode()
    except msgspec.MsgspecError:
        return msgspec.json.encode(text)
