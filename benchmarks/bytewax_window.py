"""Sliding windows: Rapport's update against Bytewax's own operator.

The same clicks (JSON, 1,000 customers, 20 minutes), the same question: count, sum, least and greatest price of each
customer's last 5 minutes, every minute. Both begin at the bytes and end with the state of every customer; neither reads
from a bus or writes to a store. Bytewax is given events one by one, as its operator takes them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from operator import attrgetter

import msgspec
import numpy as np
from bytewax import operators as op
from bytewax.dataflow import Dataflow
from bytewax.operators import windowing
from bytewax.testing import TestingSink, TestingSource, run_main

from benchmarks.frame import Measurement, compared, rate
from benchmarks.memory_rows import MemoryRows
from rapport.windows import Aggregation, Column, Events, Kind, Plan, View, compile_view

__all__ = ["measure"]

CUSTOMERS = 1_000
BATCH = 2_000
START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE_US = 60_000_000
FUNCTIONS = ("count", "sum", "min", "max")


class Click(msgspec.Struct):
    """The event of this benchmark."""

    customer: int
    time_us: int
    price: int


def measure(quick: bool) -> list[Measurement]:
    """Events per second of both, and of decoding alone, which neither can beat."""
    few, many = clicks(1_000 if quick else 4_000), clicks(40_000 if quick else 400_000)
    repeat = 3 if quick else 5
    decoder = msgspec.json.Decoder(Click)
    floor = rate(
        "msgspec decoding alone", "events/s", lambda: len([decoder.decode(one) for one in many]), repeat=repeat
    )
    peer = rate("Bytewax fold_window, SlidingWindower", "events/s", lambda: bytewax_windows(few), repeat=3)
    plan = compile_view(view())
    rapport_windows(plan, few, decoder)  # compiles
    ours = rate("JSON to window state", "events/s", lambda: rapport_windows(plan, many, decoder), repeat=repeat)
    return [compared(ours, peer), compared(ours, floor)]


def clicks(count: int) -> list[bytes]:
    """Clicks in order of time, over 20 minutes, the same ones each time."""
    random = np.random.default_rng(1)
    times = np.sort(random.integers(0, 20 * MINUTE_US, count)) + int(START.timestamp()) * 1_000_000
    customers, prices = random.integers(0, CUSTOMERS, count), random.integers(1, 100_000, count)
    rows = zip(customers.tolist(), times.tolist(), prices.tolist(), strict=True)
    return [json.dumps({"customer": c, "time_us": t, "price": p}).encode() for c, t, p in rows]


def view() -> View:
    """The question, as Rapport has it declared."""
    aggregations = tuple(Aggregation(f"{f}_5m", f, "price", 5 * MINUTE_US, MINUTE_US) for f in FUNCTIONS)
    return View("clicks", {"price": Kind.INT}, aggregations)


def rapport_windows(plan: Plan, given: list[bytes], decoder: msgspec.json.Decoder[Click]) -> int:
    """Micro-batches into rows held in memory."""
    rows = MemoryRows(plan, CUSTOMERS)
    for start in range(0, len(given), BATCH):
        batch = decoder.decode_lines(b"\n".join(given[start : start + BATCH]))
        customers, prices, times = (
            np.fromiter(map(attrgetter(name), batch), np.int64, len(batch)) for name in ("customer", "price", "time_us")
        )
        rows.add(customers, Events(times, {"price": Column(Kind.INT, prices, np.full(len(batch), True))}))
    return len(given)


State = tuple[int, int, int, int]


def bytewax_windows(given: list[bytes]) -> int:
    """The operator that Bytewax has for it, in one worker."""
    decoder = msgspec.json.Decoder(Click)
    out: list[object] = []
    flow = Dataflow("windows")
    # bytes
    texts = op.input("given", flow, TestingSource(given, batch_size=BATCH))
    # (customer, Click)
    keyed = op.map("decode", texts, _keyed(decoder))
    clock = windowing.EventClock(_time_of, wait_for_system_duration=timedelta(0))
    windower = windowing.SlidingWindower(length=timedelta(minutes=5), offset=timedelta(minutes=1), align_to=START)
    # (customer, (window, State))
    windows = windowing.fold_window("fold", keyed, clock, windower, _empty, _fold, _merge)
    op.output("out", windows.down, TestingSink(out))
    run_main(flow)
    if not out:
        raise RuntimeError("Bytewax closed no window: nothing was measured")
    return len(given)


def _keyed(decoder: msgspec.json.Decoder[Click]) -> Callable[[bytes], tuple[str, Click]]:
    def keyed(text: bytes) -> tuple[str, Click]:
        click = decoder.decode(text)
        return str(click.customer), click

    return keyed


def _time_of(click: Click) -> datetime:
    return datetime.fromtimestamp(click.time_us / 1e6, UTC)


def _empty() -> State:
    return 0, 0, 2**62, 0


def _fold(state: State, click: Click) -> State:
    count, total, least, greatest = state
    return count + 1, total + click.price, min(least, click.price), max(greatest, click.price)


def _merge(one: State, two: State) -> State:
    return one[0] + two[0], one[1] + two[1], min(one[2], two[2]), max(one[3], two[3])
