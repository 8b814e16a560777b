"""The mapping file of a source of webhooks: which payloads become which events.

The schema is closed: a key that is not here is refused, with the line it is on. docs/webhooks.md explains every key.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from rapport.mapping.rules import Condition, CustomerRule, FieldRule, MappingName, TimeRule, Topic

__all__ = ["EventRule", "Signature", "WebhookMapping"]

HeaderName = Annotated[str, Meta(pattern="^[A-Za-z0-9-]{1,64}$")]


class _Closed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Signature(_Closed, frozen=True):
    """How the source proves that a request is its own: the HMAC-SHA256 of the body, in a header."""

    header: HeaderName
    secret_file: str
    """The file with the secret, beside the mapping file unless it is an absolute path; one secret a line, each of which
    is accepted: while one is changed for another there are two."""
    encoding: Literal["base64", "hex"] = "base64"
    prefix: str = ""
    """What stands before the signature in its header, such as `sha256=`."""
    timestamp_header: HeaderName | None = None
    """The header with the time of signing, RFC 3339 or seconds since 1970, which is then signed before the body."""
    separator: str = ""
    """What is signed between the time and the body."""
    tolerance_s: Annotated[int, Meta(ge=1, le=3_600)] = 300
    """How far the time of signing may be from ours, seconds."""


class EventRule(_Closed, frozen=True):
    """One kind of event that a payload gives: for the payloads for which all of `when` holds.

    Keys of `when`, columns and templates are paths into the payload (`customer.id`, `items.0.name`),
    `$header.<name>` for a header of the request, or, below `each`, paths that begin with it.
    """

    topic: Topic
    when: dict[str, Condition] = {}
    each: str = ""
    """The list that gives an event per item; `$` when the payload itself is the list."""
    time: TimeRule | None = None
    customer: CustomerRule | None = None
    event_id: str = ""
    """A template. The same delivery must give the same id again; `{$row}` is the item's number, from 1."""
    fields: dict[str, str | FieldRule] = {}


class WebhookMapping(_Closed, frozen=True):
    """A mapping file. What stands at the top holds for every event; an event's own comes over it."""

    name: MappingName
    events: Annotated[list[EventRule], Meta(min_length=1)]
    description: str = ""
    signature: Signature | None = None
    unsigned: bool = False
    """Take requests that nobody signed: only where nobody else can send any."""
    time: TimeRule | None = None
    customer: CustomerRule | None = None
    event_id: str = ""
    fields: dict[str, str | FieldRule] = {}
    ignore: list[dict[str, Condition]] = []
    """Payloads that are nobody's event: those for which all conditions of one of these hold."""
