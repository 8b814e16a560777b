"""The two worlds that the demo can live in: a simulated one, and a file of purchases with its own dates."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rapport.errors import MappingError

if TYPE_CHECKING:
    from rapport.bus import Bus, Message
    from rapport.cli.living import Asker
    from rapport.clock import WorldClock
    from rapport.settings import Settings

__all__ = ["DemoWorld", "file_world", "simulated_world"]

DAY_US = 86_400_000_000
Seen = Callable[[str], None]


class DemoWorld(Protocol):
    """Where the demo takes place.

    Attributes:
        title: one line.
        rate: world seconds per second while it lives.
        drift: settings of the archive and the drift watch that fit the rate.
        somebody: a customer of whom something is known, once the past is published.
    """

    title: str
    rate: float
    drift: dict[str, Any]
    somebody: str

    def prepare(self, seen: Seen) -> int:
        """Make or read the past; returns the world's present, microseconds."""

    def publish_past(self, bus: Bus, seen: Seen) -> int:
        """Publish all of the past; returns how many events."""

    def seed_profiles(self, settings: Settings) -> int:
        """Push what other systems know of the customers; returns of how many."""

    def live(self, bus: Bus, clock: WorldClock, ask: Asker, stop: threading.Event) -> None:
        """Live on by the clock until `stop` or the end of the data."""

    def shift(self) -> str:
        """Change the world; says how. "" when it cannot be changed."""


def simulated_world(customers: int, days: int, seed: int) -> DemoWorld:
    return _Simulated(customers, days, seed)


def file_world(path: Path, mapping: str) -> DemoWorld:
    """A world of a file.

    Raises:
        MappingError: no mapping is given and none has the file's name.
    """
    from rapport.replay import load_mapping, mapping_names

    name = mapping or next((known for known in mapping_names() if path.name.startswith(known)), "")
    if not name:
        raise MappingError(
            f"how is {path.name} to be read? Give --mapping: one of {', '.join(mapping_names())}, or a file"
        )
    return _Filed(path, load_mapping(name))


class _StopLivingError(Exception):
    """The demo is over."""


def _sleeper(stop: threading.Event) -> Callable[[float], None]:
    def sleep(seconds: float) -> None:
        if stop.wait(seconds):
            raise _StopLivingError

    return sleep


@dataclass
class _Simulated:
    customers: int
    days: int
    seed: int
    rate: float = 4 * 3_600.0
    drift: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        from rapport.simulate import World

        self.title = f"a simulated world: {self.customers:,} customers, {self.days} days of history"
        self._world = World(self.seed, self.customers)
        self.drift = {
            "archive_every_s": 1.0,
            "drift_every_s": 15,
            "drift_cooldown_s": 30,
            "drift_min_rows": max(200, self.customers * 6 // 10),
            "drift_window_s": 4 * 86_400,
        }
        self._past: list[Message] = []
        self.somebody = ""
        self._start_us = 0

    def prepare(self, seen: Seen) -> int:
        from rapport.simulate import to_message

        now_us = time.time_ns() // 1_000_000_000 * 1_000_000
        self._start_us = now_us - self.days * DAY_US
        self._past = [to_message(topic, event, "demo") for topic, event in self._world.history(self._start_us, now_us)]
        return now_us

    def publish_past(self, bus: Bus, seen: Seen) -> int:
        from rapport.cli.living import publish_patiently

        for at in range(0, len(self._past), 2_000):
            publish_patiently(bus, self._past[at : at + 2_000])
        count = len(self._past)
        self.somebody = next(one.key for one in reversed(self._past) if one.topic == "purchase_events")
        self._past = []
        return count

    def seed_profiles(self, settings: Settings) -> int:
        import pandas as pd

        from rapport.clock import from_us
        from rapport.feast.catalog import open_store

        profiles = self._world.profiles(self._start_us)
        frame = pd.DataFrame(profiles)
        frame["event_time"] = from_us(self._start_us)
        open_store(settings).write_to_online_store("profile", frame)
        return len(profiles)

    def live(self, bus: Bus, clock: WorldClock, ask: Asker, stop: threading.Event) -> None:
        from rapport.cli.living import publish_patiently
        from rapport.simulate import to_message

        try:
            for topic, event in self._world.live(ask, clock, sleep=_sleeper(stop)):
                publish_patiently(bus, [to_message(topic, event, "demo")])
                if stop.is_set():
                    return
        except _StopLivingError:
            return

    def shift(self) -> str:
        self._world.shift = 1.0
        return "a crisis of deliveries begins: parcels are late, customers write, complain and buy less"


@dataclass
class _Filed:
    path: Path
    mapping: Any
    rate: float = 0.25 * 86_400
    drift: dict[str, Any] = field(
        default_factory=lambda: {
            "archive_every_s": 1.0,
            "drift_every_s": 15,
            "drift_cooldown_s": 45,
            "drift_share": 0.2,
            "drift_min_rows": 300,
            "drift_window_s": 14 * 86_400,
        }
    )

    def __post_init__(self) -> None:
        self.title = f"{self.path.name}, with its own dates: all but the last 60 days are history"
        self._cut_us = 0
        self.somebody = ""

    def prepare(self, seen: Seen) -> int:
        from rapport.replay.files import DataFile
        from rapport.replay.window import newest_us

        with DataFile(self.path, self.mapping.format) as file:
            newest = max((newest_us(chunk, self.mapping.time) for chunk in file.chunks()), default=0)
        self._cut_us = newest - 60 * DAY_US
        return self._cut_us

    def publish_past(self, bus: Bus, seen: Seen) -> int:
        from rapport.replay import ReplayOptions, TimeWindow, replay

        options = ReplayOptions(window=TimeWindow(None, self._cut_us))
        noting = _NotingBus(bus)
        report = replay(noting, self.path, self.mapping, options)
        self.somebody = noting.last_customer
        refused = ", ".join(f"{count:,} {reason}" for reason, count in report.dead_letters.items())
        seen(f"of {report.given:,} rows {report.published:,} are events; dead letters: {refused or 'none'}")
        return report.published

    def seed_profiles(self, settings: Settings) -> int:
        return 0

    def live(self, bus: Bus, clock: WorldClock, ask: Asker, stop: threading.Event) -> None:
        from rapport.replay import Machine, ReplayOptions, TimeWindow, replay

        options = ReplayOptions(speed=self.rate, window=TimeWindow(self._cut_us, None))
        try:
            replay(
                _AskingBus(bus, ask, stop),
                self.path,
                self.mapping,
                options,
                machine=Machine(sleep=_sleeper(stop)),
            )
        except _StopLivingError:
            return

    def shift(self) -> str:
        return ""


@dataclass
class _NotingBus:
    """Publishes, and notes whose event came last."""

    bus: Bus
    last_customer: str = ""

    def publish(self, messages: Sequence[Message]) -> None:
        self.bus.publish(messages)
        self.last_customer = next((message.key for message in reversed(messages) if message.key), self.last_customer)

    def counts(self, prefix: str = "") -> dict[str, int]:
        return self.bus.counts(prefix)


@dataclass
class _AskingBus:
    """Publishes, and asks for a decision on each customer who has just bought."""

    bus: Bus
    ask: Asker
    stop: threading.Event

    def publish(self, messages: Sequence[Message]) -> None:
        self.bus.publish(messages)
        for customer in dict.fromkeys(message.key for message in messages if message.topic == "purchase_events"):
            if self.stop.is_set():
                raise _StopLivingError
            self.ask(customer, {})

    def counts(self, prefix: str = "") -> dict[str, int]:
        return self.bus.counts(prefix)
