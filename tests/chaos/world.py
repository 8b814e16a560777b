"""What is sent in a chaos run, and what must come of it: events made in chunks from a seed, as JSON and as columns.

The columns are made here, from the same random numbers as the JSON and by no code of the flows, so that what the rows
and the archive hold can be held against them. The world's clock stands still at NOW_US: an event that is dated up to
five minutes ahead of it counts at NOW_US.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from rapport.bus import Message
from rapport.events.frustration import model_version
from rapport.events.text import analyse

NOW_US = 1_760_000_000_123_456
TOPICS = ("customer_clicks", "purchase_events", "support_tickets", "chat_messages", "feedback")
CHUNK = 1_000
"""Good events of one chunk; the refused ones come on top."""

_SHARES = (0.4, 0.25, 0.1, 0.15, 0.1)
_SECOND, _MINUTE, _HOUR, _DAY = 1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000
_AHEAD_US = 4 * _MINUTE
_SLIDES = np.array([30 * _SECOND, 5 * _MINUTE, 2 * _HOUR, _DAY, 3 * _DAY], np.int64)
_REACHES = np.array([5 * _MINUTE, _HOUR, _DAY, 30 * _DAY, 100 * _DAY], np.int64)
_NAMES = ("c{}", "客户 {}", "عميل {}", "😀{}", "é{}", "d e {}")
_TEXTS = (
    "where is my order",
    "Where is my ORDER???",
    "this is terrible, I want my money back!",
    "thank you, that was great",
    "hello",
    "¿dónde está mi pedido?",
    "我的订单在哪里",
    "…",
    "the parcel came broken and nobody answers, awful service",
    "can I change the address",
)
_SIGNALS = [analyse(text) for text in _TEXTS]


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of the events.

    Attributes:
        messages: good ones, then those to refuse; none has an origin yet.
        truth: topic to the columns of its good events: event_id, customer_id, time (int64, microseconds, the time that
            counts), and the topic's own.
        refused: reason to how many of `messages` are refused for it.
    """

    messages: list[Message]
    truth: dict[str, pa.Table]
    refused: dict[str, int]


@dataclass(frozen=True, slots=True)
class World:
    """All events of a run.

    Args:
        seed: what makes them.
        events: how many good ones; a multiple of CHUNK.
        customers: of how many customers; the first ones have more than the last.
    """

    seed: int
    events: int
    customers: int

    @property
    def chunks(self) -> int:
        return self.events // CHUNK

    def customer(self, number: int) -> str:
        return _NAMES[number % len(_NAMES)].format(number)

    def chunk(self, number: int) -> Chunk:
        rng = np.random.default_rng([self.seed, number])
        sizes = rng.multinomial(CHUNK, _SHARES)
        messages: list[Message] = []
        truth = {}
        for topic, size in zip(TOPICS, sizes.tolist(), strict=True):
            who = [self.customer(c) for c in (self.customers * rng.random(size) ** 1.5).astype(int).tolist()]
            claimed = _times(rng, size)
            ids = [f"{topic[:3]} {number}.{i} ü" for i in range(size)]
            own, columns = _MAKERS[topic](rng, number, np.minimum(claimed, NOW_US))
            stamps = np.datetime_as_string(claimed.astype("datetime64[us]"), unit="us")
            for event_id, customer, stamp, fields in zip(ids, who, stamps, own, strict=True):
                event = {"event_id": event_id, "customer_id": customer, "event_time": f"{stamp}Z", **fields}
                messages.append(Message(topic, customer, msgspec.json.encode(event)))
            base = {"event_id": ids, "customer_id": who, "time": np.minimum(claimed, NOW_US)}
            truth[topic] = pa.table({**base, **columns})
        messages = [messages[i] for i in rng.permutation(len(messages)).tolist()]
        refused = _refused(rng, number)
        return Chunk(messages + [m for m, _ in refused], truth, dict(Counter(reason for _, reason in refused)))


def _times(rng: np.random.Generator, size: int) -> Any:
    """Claimed times: most late by up to 100 days, many at the edge of a tile or a microsecond beside it, some ahead."""
    reach = _REACHES[rng.integers(0, len(_REACHES), size)]
    times = NOW_US - (rng.random(size) * reach).astype(np.int64)
    slide = _SLIDES[rng.integers(0, len(_SLIDES), size)]
    edges = times // slide * slide + rng.integers(-1, 2, size)
    times = np.where(rng.random(size) < 0.3, edges, times)
    ahead = NOW_US + (rng.random(size) * _AHEAD_US).astype(np.int64)
    return np.where(rng.random(size) < 0.02, ahead, times)


def _refused(rng: np.random.Generator, number: int) -> list[tuple[Message, str]]:
    """A few messages that ingest must refuse, each with the reason; no two of all chunks are alike."""
    base = {"event_id": f"bad {number}", "customer_id": "c1", "event_time": "2025-01-01T00:00:00Z"}
    far = str(np.datetime64(NOW_US + 2 * _HOUR, "us")) + "Z"
    made: list[tuple[str, dict[str, Any], str]] = [
        ("feedback", {**base, "csat": 9}, "bad_value"),
        ("feedback", {**base, "csat": 3, "colour": "red"}, "unknown_field"),
        ("purchase_events", {**base, "action": "order", "amount": "1"}, "missing_field"),
        (
            "chat_messages",
            {**base, "event_time": far, "role": "agent", "conversation_id": "x", "text": "y"},
            "future_event",
        ),
    ]
    chosen = [(topic, msgspec.json.encode(event), reason) for topic, event, reason in made if rng.random() < 0.5]
    if rng.random() < 0.5:
        chosen.append(("customer_clicks", b"{broken %d" % number, "bad_json"))
    return [(Message(topic, f"c{number}", value), reason) for topic, value, reason in chosen]


def _clicks(rng: np.random.Generator, _number: int, times: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    size = len(times)
    action = rng.choice(["view", "cart_add", "cart_remove", "checkout"], size, p=[0.6, 0.2, 0.1, 0.1]).tolist()
    product = [f"p{n}" for n in rng.integers(0, 60, size).tolist()]
    quantity, cents = rng.integers(1, 5, size).tolist(), rng.integers(1, 20_000, size).tolist()
    priced = (rng.random(size) < 0.8).tolist()
    own = []
    for a, p, q, c, has_price in zip(action, product, quantity, cents, priced, strict=True):
        fields: dict[str, Any] = {"action": a, "product_id": p, "quantity": q}
        own.append({**fields, "price": _money(c), "currency": "EUR"} if has_price else fields)
    sign = {"cart_add": 10_000, "cart_remove": -10_000}
    return own, {
        "product_id": product,
        "cart_add": _flags(action, "cart_add"),
        "cart_remove": _flags(action, "cart_remove"),
        "checkout": _flags(action, "checkout"),
        "cart_product_id": pa.array(
            [p if a == "cart_add" else None for a, p in zip(action, product, strict=True)], pa.string()
        ),
        "cart_micros": pa.array(
            [
                sign[a] * q * c if a in sign and has_price else None
                for a, q, c, has_price in zip(action, quantity, cents, priced, strict=True)
            ],
            pa.int64(),
        ),
    }


def _purchases(rng: np.random.Generator, number: int, times: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    size = len(times)
    orders = (rng.random(size) < 0.85).tolist()
    order_id = [f"o{number}.{n}" for n in rng.integers(0, size + 1, size).tolist()]
    cents, quantity = rng.integers(0, 90_000, size).tolist(), rng.integers(1, 9, size).tolist()
    own = [
        {
            "action": "order" if order else "cancellation",
            "order_id": o,
            "amount": _money(c),
            "currency": "EUR",
            "quantity": q,
        }
        for order, o, c, q in zip(orders, order_id, cents, quantity, strict=True)
    ]
    micros, days = [c * 10_000 for c in cents], (times // _DAY).tolist()
    return own, {
        "order_id": _where(orders, order_id, pa.string()),
        "amount_micros": _where(orders, micros, pa.int64()),
        "refund_micros": _where([not order for order in orders], micros, pa.int64()),
        "quantity": quantity,
        "order_day": _where(orders, days, pa.int64()),
    }


def _tickets(rng: np.random.Generator, number: int, times: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    size = len(times)
    action = rng.choice(["opened", "updated", "resolved", "reopened"], size).tolist()
    priority = rng.choice(["low", "normal", "high", "urgent"], size).tolist()
    own = [
        {"action": a, "ticket_id": f"t{number}.{i}", "priority": p}
        for i, (a, p) in enumerate(zip(action, priority, strict=True))
    ]
    urgent = [True if a == "opened" and p == "urgent" else None for a, p in zip(action, priority, strict=True)]
    change = {"opened": 1, "reopened": 1, "resolved": -1}
    return own, {
        "opened": _flags(action, "opened"),
        "reopened": _flags(action, "reopened"),
        "urgent": pa.array(urgent, pa.bool_()),
        "open_change": pa.array([change.get(a) for a in action], pa.int64()),
    }


def _messages(rng: np.random.Generator, number: int, times: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    size = len(times)
    mine = (rng.random(size) < 0.7).tolist()
    said = rng.integers(0, len(_TEXTS), size).tolist()
    own = [
        {"role": "customer" if own else "assistant", "conversation_id": f"v{number}", "text": _TEXTS[t]}
        for own, t in zip(mine, said, strict=True)
    ]
    signals = [_SIGNALS[t] for t in said]
    return own, {
        "message": pa.array([True if own else None for own in mine], pa.bool_()),
        "sentiment": _where(mine, [s.sentiment for s in signals], pa.float64()),
        "negative": _where(mine, [s.negative for s in signals], pa.bool_()),
        "frustration": _where(mine, [s.frustration for s in signals], pa.float64()),
        "query": _where(mine, [s.query or None for s in signals], pa.string()),
        "text_model": _where(mine, [model_version()] * size, pa.string()),
    }


def _feedback(rng: np.random.Generator, _number: int, times: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    size = len(times)
    nps = rng.integers(0, 11, size).tolist()
    csat = [n or None for n in rng.integers(0, 6, size).tolist()]
    resolved = [(None, True, False)[n] for n in rng.integers(0, 3, size).tolist()]
    seconds = np.round(rng.random(size) * 1e6, 3).tolist()
    own = [
        {"nps": n, "csat": c, "resolved": r, "resolution_time_s": s}
        for n, c, r, s in zip(nps, csat, resolved, seconds, strict=True)
    ]
    return own, {
        "csat": pa.array(csat, pa.int64()),
        "nps": pa.array(nps, pa.int64()),
        "resolved": pa.array(resolved, pa.bool_()),
        "resolution_time_s": pa.array(seconds, pa.float64()),
        "low_csat": pa.array([None if c is None else c <= 2 for c in csat], pa.bool_()),
    }


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


def _flags(action: list[str], wanted: str) -> pa.Array:
    return pa.array([True if a == wanted else None for a in action], pa.bool_())


def _where(present: list[bool], values: list[Any], kind: pa.DataType) -> pa.Array:
    return pa.array([value if here else None for here, value in zip(present, values, strict=True)], kind)


_MAKERS: dict[str, Callable[[np.random.Generator, int, Any], tuple[list[dict[str, Any]], dict[str, Any]]]] = {
    "customer_clicks": _clicks,
    "purchase_events": _purchases,
    "support_tickets": _tickets,
    "chat_messages": _messages,
    "feedback": _feedback,
}
