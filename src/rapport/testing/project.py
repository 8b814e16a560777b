"""A Rapport project in a folder of its own, with its own Redis: for tests and benchmarks of what runs on one."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import redis

from rapport.bus.protocol import Position
from rapport.embedded import EmbeddedRedis
from rapport.online import OnlineWriter
from rapport.settings import Settings, load_settings
from rapport.windows import Events, column_of

__all__ = ["CustomerRow", "Project"]

CustomerRow = tuple[str, int, dict[str, Any]]
"""(customer id, event time in microseconds, column values)."""


class Project:
    """A copy of a repository's declarations in `root`, and an embedded Redis in its data folder, started.

    Args:
        root: an empty folder.
        source: the repository whose feature_store.yaml and feature_repo/ are copied.
    """

    def __init__(self, root: Path, source: Path) -> None:
        self.root = root
        self.settings: Settings
        shutil.copy(source / "feature_store.yaml", root)
        shutil.copytree(source / "feature_repo", root / "feature_repo", ignore=shutil.ignore_patterns("__pycache__"))
        self.settings = load_settings({}, root=root)
        self.redis = EmbeddedRedis(self.settings.data_dir / "redis")
        self.redis.start()
        self._events = 0

    def apply(self, objects: Sequence[Any]) -> None:
        """`feast apply` of some objects, in this process."""
        self.store().apply(list(objects))

    def store(self) -> Any:
        """A client of the project's Feast store, its registry read anew."""
        from rapport.feast.catalog import open_store

        return open_store(self.settings)

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.redis.url, socket_timeout=5)

    def put_events(self, topic: str, events: Sequence[CustomerRow]) -> None:
        """Events into the rows of all views over a topic, as the features flow puts them there."""
        from rapport.feast.catalog import plans_by_topic

        plans = plans_by_topic(self.store())[topic]
        kinds = {column: plan.view.kinds[column] for plan in plans for column in plan.columns}
        columns = {name: column_of(kind, [values.get(name) for _, _, values in events]) for name, kind in kinds.items()}
        positions = [Position(1, self._events + number) for number in range(1, len(events) + 1)]
        self._events += len(events)
        times = np.array([time_us for _, time_us, _ in events], np.int64)
        with self.client() as client:
            OnlineWriter(client, "rapport", plans).apply(
                [customer for customer, _, _ in events], positions, 0, Events(times, columns)
            )

    def push_profile(self, customer_id: str, **values: Any) -> None:
        """A row of the plain view `profile`, as other systems push it."""
        import pandas as pd

        row = {"tier": "gold", "locale": "de-AT", "signup_day": 19_000, "personalization_consent": True, **values}
        frame = pd.DataFrame([{"customer_id": customer_id, "event_time": pd.Timestamp.now("UTC"), **row}])
        self.store().write_to_online_store("profile", frame)
