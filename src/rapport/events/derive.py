"""From events to their checked rows: the columns of rapport.events.columns, derived once, many events at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import repeat
from operator import attrgetter, sub
from typing import Any, NamedTuple, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from rapport.errors import EventError
from rapport.events.arrays import Numbers, Values, to_arrays
from rapport.events.block import block_schema
from rapport.events.columns import BASE, COLUMNS
from rapport.events.frustration import model_version
from rapport.events.money_columns import micros_of
from rapport.events.schema import EVENT_TYPES, Event
from rapport.events.text import analyse
from rapport.events.times import MAX_AHEAD_US, event_times

__all__ = ["Derived", "derive"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECONDS = pa.duration("us")
_DAY_US = 86_400_000_000
_LOW_CSAT = 2

Longs: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]
Fields: TypeAlias = Mapping[str, Sequence[Any]]
Columns: TypeAlias = dict[str, Values]


class Derived(NamedTuple):
    """What came of n events.

    Attributes:
        rows: the rows of those that are not refused, in order; of the topic's block_schema.
        refused: by its number, why an event is refused: future_event.
    """

    rows: pa.RecordBatch
    refused: dict[int, EventError]


def derive(topic: str, events: Sequence[Event], arrivals_us: Sequence[int]) -> Derived:
    """The checked rows of events that `decode` accepted.

    Args:
        topic: the events' topic.
        events: n events.
        arrivals_us: when the bus accepted each, in the world's time; microseconds, UTC.
    """
    claimed = _micros_since_epoch(events)
    arrivals = np.fromiter(arrivals_us, np.int64, len(events))
    refused = {int(i): _refusal(claimed[i], arrivals[i]) for i in np.flatnonzero(claimed - arrivals > MAX_AHEAD_US)}
    if refused:
        kept = [i for i in range(len(events)) if i not in refused]
        events, claimed, arrivals = [events[i] for i in kept], claimed[kept], arrivals[kept]
    times = np.minimum(claimed, arrivals)
    fields = _fields(topic, events)
    columns: Columns = {
        "event_id": fields["event_id"],
        "customer_id": fields["customer_id"],
        "event_time_us": _all(times),
        "claimed_time_us": Numbers(claimed, claimed > arrivals),
        "arrival_time_us": _all(arrivals),
        "schema_version": _all(np.array(fields["schema_version"], np.int64)),
        **_OWN[topic](fields, times),
    }
    kinds = {**BASE, **COLUMNS[topic]}
    arrays = to_arrays(columns, kinds)
    return Derived(pa.RecordBatch.from_arrays([arrays[name] for name in kinds], schema=block_schema(topic)), refused)


def _micros_since_epoch(events: Sequence[Event]) -> Longs:
    passed = list(map(sub, map(attrgetter("event_time"), events), repeat(_EPOCH)))
    micros: Longs = pa.array(passed, _MICROSECONDS).view(pa.int64()).to_numpy()
    return micros


def _refusal(claimed_us: int, arrival_us: int) -> EventError:
    try:
        event_times(int(claimed_us), int(arrival_us))
    except EventError as error:
        return error
    raise AssertionError("an event that is too far ahead is refused")


def _fields(topic: str, events: Sequence[Event]) -> dict[str, Sequence[Any]]:
    """The events' fields by name, each as long as `events`."""
    names = EVENT_TYPES[topic].__struct_fields__
    values = zip(*map(msgspec.structs.astuple, events), strict=True) if events else [()] * len(names)
    return dict(zip(names, values, strict=True))


class _Words:
    """Words out of a few, to be compared all at a time."""

    def __init__(self, words: Sequence[str]) -> None:
        self._numbers = {word: i for i, word in enumerate(dict.fromkeys(words))}
        self._codes = np.fromiter(map(self._numbers.__getitem__, words), np.int64, len(words))

    def are(self, word: str) -> Mask:
        found: Mask = self._codes == self._numbers.get(word, -1)
        return found


def _all(values: Longs) -> Numbers:
    return Numbers(values, np.ones(len(values), np.bool_))


def _flag(mask: Mask) -> Numbers:
    """True, or null."""
    return Numbers(mask, mask)


def _texts(values: Sequence[str | None], kept: Mask) -> list[str | None]:
    """The values that are kept, None for the others."""
    return [value if keep else None for value, keep in zip(values, kept.tolist(), strict=True)]


def _clicks(fields: Fields, _times: Longs) -> Columns:
    action, product = _Words(fields["action"]), fields["product_id"]
    quantity = np.array(fields["quantity"], np.int64)
    price, priced = micros_of(fields["price"])
    added, removed = action.are("cart_add"), action.are("cart_remove")
    return {
        "action": fields["action"],
        "product_id": product,
        "page": fields["page"],
        "session_id": fields["session_id"],
        "quantity": _all(quantity),
        "price_micros": Numbers(price, priced),
        "currency": fields["currency"],
        "view": _flag(action.are("view")),
        "cart_add": _flag(added),
        "cart_remove": _flag(removed),
        "checkout": _flag(action.are("checkout")),
        "cart_product_id": _texts(product, added),
        "cart_micros": Numbers(quantity * np.where(removed, -price, price), priced & (added | removed)),
    }


def _purchases(fields: Fields, times: Longs) -> Columns:
    order = _Words(fields["action"]).are("order")
    amount, _ = micros_of(fields["amount"])
    return {
        "action": fields["action"],
        "order_id": _texts(fields["order_id"], order),
        "cancelled_order_id": _texts(fields["order_id"], ~order),
        "product_id": fields["product_id"],
        "quantity": fields["quantity"],
        "currency": fields["currency"],
        "amount_micros": Numbers(amount, order),
        "refund_micros": Numbers(amount, ~order),
        "net_micros": _all(np.where(order, amount, -amount)),
        "order_day": Numbers(times // _DAY_US, order),
    }


def _tickets(fields: Fields, _times: Longs) -> Columns:
    action = _Words(fields["action"])
    opened, resolved, reopened = (action.are(name) for name in ("opened", "resolved", "reopened"))
    change = opened.astype(np.int64) + reopened - resolved
    return {
        "action": fields["action"],
        "ticket_id": fields["ticket_id"],
        "category": fields["category"],
        "priority": fields["priority"],
        "opened": _flag(opened),
        "resolved": _flag(resolved),
        "reopened": _flag(reopened),
        "urgent": _flag(opened & _Words(fields["priority"]).are("urgent")),
        "open_change": Numbers(change, change != 0),
    }


def _messages(fields: Fields, _times: Longs) -> Columns:
    said = zip(fields["role"], fields["text"], strict=True)
    signals = [analyse(text) if role == "customer" else None for role, text in said]
    version = model_version()
    return {
        "role": fields["role"],
        "conversation_id": fields["conversation_id"],
        "channel": fields["channel"],
        "locale": fields["locale"],
        "text": fields["text"],
        "message": [one and True for one in signals],
        "sentiment": [one and one.sentiment for one in signals],
        "negative": [one and one.negative for one in signals],
        "frustration": [one and one.frustration for one in signals],
        "query": [(one and one.query) or None for one in signals],
        "text_model": [one and version for one in signals],
    }


def _feedback(fields: Fields, _times: Longs) -> Columns:
    return {
        "csat": fields["csat"],
        "nps": fields["nps"],
        "resolved": fields["resolved"],
        "resolution_time_s": fields["resolution_time_s"],
        "decision_id": fields["decision_id"],
        "conversation_id": fields["conversation_id"],
        "low_csat": [None if csat is None else csat <= _LOW_CSAT for csat in fields["csat"]],
    }


_OWN: dict[str, Callable[[Fields, Longs], Columns]] = {
    "customer_clicks": _clicks,
    "purchase_events": _purchases,
    "support_tickets": _tickets,
    "chat_messages": _messages,
    "feedback": _feedback,
}
