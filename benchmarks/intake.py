"""Events over HTTP: POST /events in batches, plain and packed, and a shop's webhooks, beside the same without HTTP.

The service with its Redis, one client. Every event is checked on the way. The floor does in one process what the
service does with a body: decode it, check each event, publish all.
"""

from __future__ import annotations

import gzip
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from benchmarks.frame import Measurement, compared, rate
from rapport.bus import Message, open_bus
from rapport.bus.protocol import Bus
from rapport.errors import EventError
from rapport.events.decode import decode
from rapport.events.schema import TOPICS
from rapport.testing.project import Project
from rapport.testing.served import Served, wait_for
from rapport.webhooks import Source, example_payloads, example_text, sign

__all__ = ["measure"]

ROOT = Path(__file__).parents[1]
BATCH = 1_000
SECRET = b"a secret of the benchmark, long enough"
JSON = {"Content-Type": "application/json"}


class Body(msgspec.Struct):
    """A body of POST /events."""

    topic: str
    events: list[msgspec.Raw]


_decode = msgspec.json.Decoder(Body).decode


def measure(quick: bool) -> list[Measurement]:
    """Events/s of one client, and payloads/s of webhooks."""
    batches, payloads, repeat = (4, 40, 3) if quick else (30, 400, 5)
    with tempfile.TemporaryDirectory(prefix="rapport-") as folder:
        project = Project(Path(folder), ROOT)
        try:
            _add_shop(project.root)
            served = Served(project, {"RAPPORT_INTAKE_MAX_LAG": "1000000000"})
            try:
                served.wait_ready()
                return [*_events(project, served, batches, repeat), _webhooks(project, served, payloads, repeat)]
            finally:
                served.stop()
        finally:
            project.redis.stop()


def _events(project: Project, served: Served, batches: int, repeat: int) -> list[Measurement]:
    bus = open_bus(project.settings)
    bodies = [_body(number) for number in range(batches)]
    packed = [gzip.compress(body, 6) for body in bodies]

    def floor() -> int:
        for body in bodies:
            bus.publish([_checked(bytes(event)) for event in _decode(body).events])
        return batches * BATCH

    def sent(contents: Sequence[bytes], headers: dict[str, str]) -> Callable[[], int]:
        def work() -> int:
            for content in contents:
                assert served.http.post("/events", content=content, headers={**JSON, **headers}).status_code == 202
            return batches * BATCH

        return work

    name, note = f"events in batches of {BATCH:,}", f"{len(bodies[0]) / 1e3:,.0f} KB a body"
    least = _emptied(
        bus, lambda: rate("decoded, checked and published in one process", "events/s", floor, repeat=repeat)
    )
    plain = _emptied(bus, lambda: rate(name, "events/s", sent(bodies, {}), repeat=repeat, note=note))
    note = f"{len(packed[0]) / 1e3:,.0f} KB a body, packed"
    gzipped = _emptied(
        bus,
        lambda: rate(f"{name}, gzip", "events/s", sent(packed, {"Content-Encoding": "gzip"}), repeat=repeat, note=note),
    )
    return [compared(plain, least), compared(gzipped, least)]


def _webhooks(project: Project, served: Served, payloads: int, repeat: int) -> Measurement:
    bus = open_bus(project.settings)
    source = Source.load(project.root / "webhooks" / "shop.yaml")
    rule = source.mapping.signature
    assert rule is not None
    body = example_payloads("shop")["orders_create"]
    headers = {**JSON, "X-Shopify-Topic": "orders/create", **sign(rule, SECRET, body)}
    small = {key.lower(): value for key, value in headers.items()}

    def floor() -> int:
        now_us = time.time_ns() // 1_000
        for _ in range(payloads):
            source.verify(small, body, now_us)
            bus.publish([Message(e.topic, e.key, e.value) for e in source.translate(small, body, now_us).events])
        return payloads

    def work() -> int:
        for _ in range(payloads):
            assert served.http.post("/webhooks/shop", content=body, headers=headers).status_code == 202
        return payloads

    wait_for(lambda: served.http.post("/webhooks/shop").status_code == 415, "the shop is not taken", 10)
    least = _emptied(
        bus, lambda: rate("verified, mapped and published in one process", "payloads/s", floor, repeat=repeat)
    )
    ours = _emptied(bus, lambda: rate("webhooks, orders of two lines", "payloads/s", work, repeat=repeat))
    return compared(ours, least)


def _emptied(bus: Bus, work: Callable[[], Measurement]) -> Measurement:
    """The measurement; what it left on the bus is taken off."""
    made = work()
    for topic in TOPICS:
        at = bus.position("ingest", topic, 0)
        reader = bus.reader(topic, 0, at)
        while batch := reader.poll(10_000):
            bus.commit("ingest", topic, 0, expected=at, position=batch.positions[-1])
            at = batch.positions[-1]
        bus.trim(topic, 0, at)
    return made


def _body(number: int) -> bytes:
    events = [
        {
            "event_id": f"b{number}-{i}",
            "customer_id": f"c{(number * 7 + i) % 5_000}",
            "event_time": "2026-03-01T12:00:00Z",
            "action": "cart_add",
            "product_id": f"p{i % 300}",
            "price": "2.55",
            "currency": "GBP",
        }
        for i in range(BATCH)
    ]
    return json.dumps({"topic": "customer_clicks", "events": events}).encode()


def _checked(event: bytes) -> Message:
    try:
        return Message("customer_clicks", decode("customer_clicks", event).customer_id, event)
    except EventError:
        return Message("customer_clicks", "", event)


def _add_shop(root: Path) -> None:
    folder = root / "webhooks"
    folder.mkdir()
    (folder / "shop.yaml").write_text(example_text("shop"))
    (folder / "shop.secret").write_bytes(SECRET)
