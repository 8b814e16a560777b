"""An installation that can be broken in every way: proxies in front of its Redis, a disk of Redis's own that can be
filled, models, a policy, chatbot platforms, webhooks and keys; and the service that runs on it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from rapport.access import SCOPES, KeyFile, create_key, keys_path
from rapport.bus import open_bus
from rapport.events.schema import TOPICS
from rapport.models import read_manifest
from rapport.policy import DEFAULT_FOLDER
from rapport.testing.models import NoiseModels
from rapport.testing.project import Project
from rapport.testing.served import Served, free_port, wait_for
from rapport.testing.tcp_proxy import TcpProxy
from tests.faults.disks import mounted, unmount
from tests.serving.platform_server import CHATBOTS, SECRET, Platforms
from tests.serving.serving_world import HOUR_US, ROOT, declared, now_us

__all__ = ["World"]

DISK_MB = 64
_WEBHOOK = """\
name: shop
unsigned: true
time: {column: at}
customer: {column: who}
event_id: "shop:{id}"
events:
  - topic: feedback
    when: {kind: {equals: stars}}
    fields:
      csat: {column: stars, type: integer}
"""


class World:
    """What the service runs on; `serve` runs it. With nothing wrong a customer `ann` is known to it.

    Args:
        folder: an empty one.
        env: settings of the service beyond what the world needs.

    Attributes:
        bus, store: what the service's bus and online store are reached through; both lead to one Redis.
        key: of all scopes.
        at_start: what a test kept of the service's first answers: a decision, and its health.
        known_decision: the id of a decision that is on the bus.
        model_width: values in a row of the model that is asked for by itself.
        has_disk: whether Redis has a disk of its own; needs the right to mount one.
    """

    def __init__(self, folder: Path, env: Mapping[str, str] | None = None) -> None:
        self._stack = ExitStack()
        self._env = dict(env or {})
        disk = folder / ".rapport" / "redis"
        self.has_disk = mounted(disk, DISK_MB)
        if self.has_disk:
            self._stack.callback(unmount, disk)
        self.project = Project(folder, ROOT)
        self._stack.callback(self.project.redis.stop)
        self.project.apply(declared())
        socket = self.project.redis.url.partition("@")[2]
        self._password = self.project.redis.url.removeprefix("unix://:").partition("@")[0]
        self.bus = self._stack.enter_context(TcpProxy(socket))
        self.store = self._stack.enter_context(TcpProxy(socket))
        self.models = self._promoted()
        self.model_width = len(read_manifest(self.models.folder / "purchase_propensity" / "1").features)
        self.platforms = Platforms()
        self.platforms.start()
        self._stack.callback(self.platforms.stop)
        self.key = create_key(KeyFile(keys_path(self.project.settings)), "all", [*SCOPES], now_us())[1]
        self._files()
        self._people()
        self.served: Served
        self.known_decision = ""
        self.at_start: tuple[dict[str, Any], dict[str, Any]]

    @property
    def root(self) -> Path:
        return self.project.root

    @property
    def data(self) -> Path:
        return self.project.settings.data_dir

    def serve(self) -> Served:
        """Start the service; it is ended with the world."""
        self.served = self.another({})
        return self.served

    def another(self, env: Mapping[str, str]) -> Served:
        """Start one more, with these settings besides; ended with the world."""
        given = {
            "RAPPORT_REDIS_URL": f"redis://:{self._password}@127.0.0.1:{self.bus.port}",
            "RAPPORT_STORE_URL": f"redis://:{self._password}@127.0.0.1:{self.store.port}",
            # nobody is there: the service does without
            "RAPPORT_MLFLOW_URI": f"http://127.0.0.1:{free_port()}",
            "RAPPORT_DRAIN_S": "0",
            **self._env,
            **env,
        }
        served = Served(self.project, given)
        self._stack.callback(served.stop)
        return served

    def use_key(self) -> None:
        """Send the key from now on."""
        self.served.http.headers["authorization"] = f"Bearer {self.key}"

    def wait_well(self, timeout_s: float = 60.0) -> None:
        """Until nothing is missing, and events that were given have been taken off the bus."""
        self.consume()
        self.served.wait_health(lambda health: health["status"] == "ok", "the service does not recover", timeout_s)

    def remember_decision(self) -> None:
        """Make a decision that can be looked up, by a process that has nothing of it in memory any more."""
        made = self.served.decide("ann")["decision_id"]
        wait_for(lambda: self.served.metric("rapport_decision_log_depth") == 0, "the log is not published", 20)
        self.known_decision = made

    def consume(self) -> None:
        """Take the events off the bus, as the flows would: or features would count as stale."""
        bus = open_bus(self.project.settings)
        for topic in TOPICS:
            position = bus.position("ingest", topic, 0)
            batch = bus.reader(topic, 0, position).poll(100_000)
            if batch:
                bus.commit("ingest", topic, 0, expected=position, position=batch.positions[-1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _promoted(self) -> NoiseModels:
        models = NoiseModels(self.project)
        for name in ("purchase_propensity", "escalation_risk"):
            models.build(name, "1")
            models.promote(name, "1")
        models.build_segments("1")
        models.promote("segments", "1")
        return models

    def _files(self) -> None:
        for name, text in (("secret", SECRET), ("token", SECRET), ("password", "p" * 20)):
            (self.root / f"bot.{name}").write_text(text)
        (self.root / "chatbots.yaml").write_text(CHATBOTS % {"url": self.platforms.url})
        (self.root / "webhooks").mkdir()
        (self.root / "webhooks" / "shop.yaml").write_text(_WEBHOOK)
        shutil.copytree(DEFAULT_FOLDER, self.root / "policy")

    def _people(self) -> None:
        now = time.time_ns() // 1_000
        seen = [("ann", now - n * HOUR_US, {"view": True, "product_id": f"p{n}"}) for n in (1, 2, 3)]
        self.project.put_events("customer_clicks", seen)
        order = {"order_id": "o1", "amount_micros": 90_000_000, "order_day": 1, "quantity": 2}
        self.project.put_events("purchase_events", [("ann", now - HOUR_US, order)])
        said = {"message": True, "sentiment": 0.1, "negative": False, "frustration": 0.1, "query": "where is it"}
        self.project.put_events("chat_messages", [("ann", now - HOUR_US, said)])
        self.project.put_events("support_tickets", [("ann", now - HOUR_US, {"opened": True, "open_change": 1})])
        self.project.push_profile("ann")
