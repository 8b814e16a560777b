"""The demo's parts: its worlds live and stop, its figures are right. `make demo` itself is the whole."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from rapport.bus import Message
from rapport.cli.demo.measures import Measures, percentile
from rapport.cli.demo.summary import as_dict, rows
from rapport.cli.demo.worlds import file_world, simulated_world
from rapport.clock import WorldClock
from rapport.errors import MappingError

DAY_US = 86_400_000_000


class ListBus:
    """Keeps what is published; the part of a bus that the worlds need."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def publish(self, messages: Sequence[Message]) -> None:
        self.messages += messages

    def counts(self, prefix: str = "") -> dict[str, int]:
        return {}


class Answers:
    def __init__(self) -> None:
        self.customers: list[str] = []

    def __call__(self, customer_id: str, session: Any) -> dict[str, str]:
        self.customers.append(customer_id)
        return {"tone": "friendly", "template_id": "general_help"}


def _live(world: Any, present_us: int, seconds: float) -> tuple[ListBus, Answers]:
    bus, ask, stop = ListBus(), Answers(), threading.Event()
    clock = WorldClock(time.time_ns() // 1_000, present_us, world.rate)
    thread = threading.Thread(target=world.live, args=(bus, clock, ask, stop))
    thread.start()
    # The world may have begun at night, when customers sleep.
    until_s = time.monotonic() + 10 * seconds
    time.sleep(seconds)
    while not bus.messages and time.monotonic() < until_s:
        time.sleep(0.05)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    return bus, ask


def test_simulated_world_has_a_past_and_lives_on() -> None:
    world = simulated_world(customers=60, days=30, seed=1)
    present_us = world.prepare(lambda text: None)
    past = ListBus()
    assert world.publish_past(past, lambda text: None) == len(past.messages) > 500  # type: ignore[arg-type]
    assert world.somebody in {message.key for message in past.messages}
    calm, _ = _live(world, present_us, 1.5)
    assert calm.messages
    assert "crisis" in world.shift()


@pytest.fixture
def purchases(tmp_path: Path) -> Path:
    path = tmp_path / "online_retail.csv"
    lines = ["InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"]
    for day in range(120):
        month, of_month = divmod(day, 28)
        date = f"2011-{month + 1:02d}-{of_month + 1:02d} 10:00:00"
        lines.append(f"{500_000 + day},85123A,LAMP,2,{date},2.55,{17_000 + day % 7}.0,France")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_file_world_lives_its_last_sixty_days_and_asks_whoever_buys(purchases: Path) -> None:
    world = file_world(purchases, "")
    present_us = world.prepare(lambda text: None)
    past = ListBus()
    count = world.publish_past(past, lambda text: None)  # type: ignore[arg-type]
    assert 50 < count < 70
    assert world.somebody.startswith("17")
    world.rate = 200 * 86_400.0
    live, ask = _live(world, present_us, 1.0)
    assert len(live.messages) + count == 120
    assert ask.customers == [message.key for message in live.messages]
    assert world.shift() == ""


def test_file_without_a_mapping_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(MappingError, match="Give --mapping"):
        file_world(path, "")


def test_percentiles_are_values_that_were_seen() -> None:
    assert percentile([], 50) is None
    assert percentile([3.0], 99) == 3.0
    values = [float(value) for value in range(100, 0, -1)]
    assert percentile(values, 50) == 51.0
    assert percentile(values, 99) == 100.0


def test_summary_says_the_same_to_people_and_machines() -> None:
    measures = Measures(history_events=1_000, history_s=0.5, decisions=3, latencies_ms=[1.0, 2.0, 9.0])
    document = as_dict(measures)
    assert document["history_events_per_s"] == 2_000
    assert document["decision_ms"] == {"p50": 2.0, "p99": 9.0}
    shown = dict(rows(measures))
    assert shown["history into readable features"] == "2,000 events/s"
    assert shown["decision over HTTP"] == "p50 2.0 ms, p99 9.0 ms"
    assert shown["failed requests"] == "0"
