"""Ingest: raw JSON to checked rows, step by step, against bare decoding of the same bytes.

The same events (carts with money, and customers' messages), from their bytes: checked and made into rows in memory,
then through the whole flow on a real Redis, from the raw topic to the checked topic with position and counters.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from benchmarks.frame import Measurement, compared, latencies_ms, rate, spread
from flows.check import Checked, check
from flows.ingest import ingest
from flows.runtime import Runtime, make_runtime
from rapport.bus import Message, Position, RecordBatch
from rapport.embedded import EmbeddedRedis
from rapport.events.block import events_of, joined, read_blocks
from rapport.events.decode import decode
from rapport.events.schema import EVENT_TYPES
from rapport.events.text import analyse
from rapport.settings import load_settings

__all__ = ["measure"]

BATCH = 2_000
NOW_US = 1_780_000_000_000_000
CLICKS = "customer_clicks"
MESSAGES = "chat_messages"
SENTENCES = (
    "where is my order {i}?",
    "I have been waiting {i} days, this is ridiculous!!",
    "thanks, that was quick ({i})",
)


def measure(quick: bool) -> list[Measurement]:
    """Events per second of each step, and the time of one message's analysis."""
    count = 10_000 if quick else 100_000
    repeat = 3 if quick else 5
    raw, said = clicks(count), messages(count // 10)
    decoder = msgspec.json.Decoder(EVENT_TYPES[CLICKS])
    floor = rate("bare msgspec decoding", "events/s", lambda: len([decoder.decode(one) for one in raw]), repeat=repeat)
    strict = rate("strict decoding", "events/s", lambda: len([decode(CLICKS, one) for one in raw]), repeat=repeat)
    rows = rate("check: decode, clamp, derive, encode", "events/s", lambda: checked(CLICKS, raw), repeat=repeat)
    texts = rate("check of messages, with their signals", "events/s", lambda: checked(MESSAGES, said), repeat=repeat)
    wire = [message.value for batch in batches(CLICKS, raw) for message in made(batch).outputs]
    columns = rate("blocks to columns", "events/s", lambda: to_columns(wire), repeat=repeat)
    whole = rate("the whole flow, Redis to Redis", "events/s", lambda: flow(raw), repeat=3, note="with start and end")
    signals = spread("signals of one message", "ms", latencies_ms(lambda: analyse.__wrapped__(said_text()), times=500))
    return [*(compared(one, floor) for one in (strict, rows, columns, whole)), texts, signals]


def clicks(count: int) -> list[bytes]:
    """Cart adds of 1,000 customers, the same ones each time."""
    return [
        b'{"event_id":"e%d","customer_id":"c%d","event_time":"2026-01-01T10:%02d:%02d.5Z","action":"cart_add",'
        b'"product_id":"p%d","page":"/p","quantity":%d,"price":"%d.%02d","currency":"EUR","session_id":"s%d"}'
        % (i, i % 1_000, i // 60 % 60, i % 60, i % 77, i % 5 + 1, i % 200, i % 100, i % 300)
        for i in range(count)
    ]


def messages(count: int) -> list[bytes]:
    """Customers' messages, no two alike."""
    common = {"event_time": "2026-01-01T10:00:00Z", "role": "customer", "conversation_id": "v"}
    return [
        msgspec.json.encode(
            {"event_id": f"m{i}", "customer_id": f"c{i % 100}", "text": SENTENCES[i % 3].format(i=i), **common}
        )
        for i in range(count)
    ]


def said_text() -> str:
    return SENTENCES[1].format(i=3)


def batches(topic: str, raw: Sequence[bytes]) -> Iterator[RecordBatch]:
    for at in range(0, len(raw), BATCH):
        part = list(raw[at : at + BATCH])
        n = len(part)
        positions = [Position(at + i + 1, 0) for i in range(n)]
        yield RecordBatch(topic, 0, positions, ["k"] * n, part, ["run"] * n, [NOW_US] * n)


def made(batch: RecordBatch) -> Checked:
    """A batch checked, with every id new."""
    return check(
        batch, 1, lambda system_us: system_us, lambda _topic, _partition, ids, _places, _arrivals_us: [True] * len(ids)
    )


def checked(topic: str, raw: Sequence[bytes]) -> int:
    analyse.cache_clear()
    return sum(message.events for batch in batches(topic, raw) for message in made(batch).outputs)


def to_columns(wire: Sequence[bytes]) -> int:
    done = 0
    for block in wire:
        rows = joined(CLICKS, read_blocks(CLICKS, [block]))
        done += len(events_of(CLICKS, rows, ("product_id", "cart_add", "cart_remove", "checkout", "cart_micros")))
    return done


def flow(raw: Sequence[bytes]) -> int:
    """All events through the flow; publishing them is not measured apart, and is part of it."""
    with installation() as runtime:
        runtime.bus.publish([Message(CLICKS, f"c{i % 1_000}", one, "run") for i, one in enumerate(raw)])
        made_flow = Dataflow("ingest")
        ingest(made_flow, runtime, drain=True)
        run_main(made_flow)
        if runtime.bus.counts("accepted:") != {f"accepted:{CLICKS}": len(raw)}:
            raise RuntimeError(f"not everything was accepted: {runtime.bus.counts()}")
    return len(raw)


@contextmanager
def installation() -> Iterator[Runtime]:
    """A Redis with its append-only file, as by default, in a folder that goes away."""
    with tempfile.TemporaryDirectory(prefix="rapport-") as folder:
        root = Path(folder)
        (root / "feature_store.yaml").touch()
        server = EmbeddedRedis(root / "redis")
        try:
            yield make_runtime(load_settings({"RAPPORT_REDIS_URL": server.start()}, root=root))
        finally:
            server.stop()
