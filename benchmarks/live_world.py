"""An installation whose flows run as `rapport up` runs them, and clicks to send through it."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import redis
from feast import FeatureStore

from benchmarks.online_world import declared
from rapport.bus import Bus, Message, open_bus
from rapport.clock import SystemClock, from_us
from rapport.embedded import EmbeddedRedis, redis_url
from rapport.online import OnlineReader, reader_for
from rapport.settings import Settings, load_settings
from rapport.supervisor import Wanted
from rapport.supervisor.control import as_environment
from rapport.supervisor.installation import installation

__all__ = ["CLICKS", "WATCHED", "LiveWorld", "click", "clicks", "live_world"]

CLICKS = "customer_clicks"
WATCHED = "watched"
CUSTOMERS = 20_000
YAML = """
project: rapport
provider: local
registry: registry.db
online_store: {type: rapport.feast.online_store.RapportOnlineStore}
offline_store: {type: rapport.feast.offline_store.RapportOfflineStore}
entity_key_serialization_version: 3
"""


class LiveWorld:
    """Redis as by default and an applied repository; `flows` starts the processes."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.bus: Bus = open_bus(settings)
        self.reader: OnlineReader = reader_for(settings, "personalization")
        self.redis = redis.Redis.from_url(redis_url(settings))

    @contextmanager
    def flows(self, workers: int = 1) -> Iterator[None]:
        """The flows, warm: an event of the watched customer has come through each of them."""
        settings = replace(self.settings, workers=workers)
        services = [one for one in installation(settings, Wanted(watch=False)) if one.stage == 1]
        with (self.settings.root / "log").open("ab") as log:
            running = [one.launch(log, as_environment(settings)) for one in services]
        try:
            # The customers of these are in all partitions.
            self.bus.publish([click(f"warm {time.time_ns()}", WATCHED), *clicks(f"warm {time.time_ns()}", 200)])
            self.until_done()
            yield
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.wait(60)

    def watched(self) -> int:
        """Clicks of the watched customer, as the online store has them now."""
        now_us = SystemClock().now_us()
        return int(self.reader.read([WATCHED], now_us).row(0)["click_activity__clicks_1d"] or 0)

    def until_done(self, before_s: float = 300.0) -> None:
        """Return when the workers have read all there is."""
        deadline = time.monotonic() + before_s
        while not (self._ingested() and self._in_features()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the events were not read after {before_s:g} s; see {self.settings.root / 'log'}")
            time.sleep(0.005)

    def _ingested(self) -> bool:
        if self.settings.bus_url:
            return self._read("ingest", CLICKS)
        # A lag is counted record by record; the newest one is enough here.
        return all(
            not (newest := self.redis.xrevrange(f"rapport:bus:{CLICKS}:{part}", count=1))
            or newest[0][0].decode() == "-".join(map(str, self.bus.position("ingest", CLICKS, part)))
            for part in range(self.bus.partitions(CLICKS))
        )

    def _in_features(self) -> bool:
        return self._read("features", _CHECKED)

    def _read(self, group: str, topic: str) -> bool:
        return not any(
            self.bus.reader(topic, part, self.bus.position(group, topic, part)).lag()
            for part in range(self.bus.partitions(topic))
        )


_CHECKED = f"{CLICKS}.checked"


@contextmanager
def live_world(partitions: int = 1, bus_url: str = "", **more: str) -> Iterator[LiveWorld]:
    """An installation in a folder that goes away; `more` are environment variables."""
    with tempfile.TemporaryDirectory(prefix="rapport-") as name:
        folder = Path(name)
        (folder / "feature_store.yaml").write_text(YAML)
        server = EmbeddedRedis(folder / ".rapport" / "redis")
        server.start()
        try:
            FeatureStore(repo_path=str(folder)).apply(declared())
            env = {
                "RAPPORT_REDIS_TIMEOUT_MS": "5000",
                "RAPPORT_PARTITIONS": str(partitions),
                "RAPPORT_BUS_URL": bus_url,
                **more,
            }
            yield LiveWorld(load_settings(env, root=folder))
        finally:
            server.stop()


def click(number: str, who: str) -> Message:
    event = {"event_id": number, "customer_id": who, "event_time": from_us(SystemClock().now_us()), "action": "view"}
    return Message(CLICKS, who, msgspec.json.encode(event))


def clicks(name: str, count: int, seed: int = 0) -> Sequence[Message]:
    """Clicks of customers drawn evenly; their ids begin with `name`."""
    rng = random.Random(seed)
    return [click(f"{name} {number}", f"c{rng.randrange(CUSTOMERS)}") for number in range(count)]
