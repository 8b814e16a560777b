"""What the benchmarks of the online store share: a server, an applied repository, events of many customers."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import redis
from feast import FeatureStore

import feature_repo.services
import feature_repo.sources
import feature_repo.views
from feature_repo.entities import customer
from rapport.bus.protocol import Position
from rapport.embedded import EmbeddedRedis
from rapport.events.columns import COLUMNS
from rapport.online import OnlineWriter
from rapport.testing.repository import make_store
from rapport.windows import Events, Kind, Plan, column_of

__all__ = ["NOW_US", "World", "batches", "declared", "world", "zipf"]

NOW_US = 1_780_000_000_000_000
_SPREAD_US = 20 * 86_400_000_000
_WORDS = [f"item {number}" for number in range(500)]


@dataclass(frozen=True, slots=True)
class Batch:
    """A micro-batch as the features flow hands it to the writer."""

    customers: list[str]
    positions: list[Position]
    events: Events


@dataclass(frozen=True, slots=True)
class World:
    """A Redis as by default (append-only file on) in a folder that goes away, with feature_repo applied."""

    folder: Path
    url: str
    client: redis.Redis
    store: FeatureStore


@contextmanager
def world() -> Iterator[World]:
    with tempfile.TemporaryDirectory(prefix="rapport-") as name:
        folder = Path(name)
        server = EmbeddedRedis(folder / "redis")
        url = server.start()
        try:
            with redis.Redis.from_url(url) as client:
                yield World(folder, url, client, make_store(folder, url, declared()))
        finally:
            server.stop()


def declared() -> list[object]:
    """Everything that feature_repo declares."""
    modules = (feature_repo.sources, feature_repo.views, feature_repo.services)
    kinds = ("KafkaSource", "PushSource", "FeatureView", "StreamFeatureView", "FeatureService")
    found = [each for module in modules for each in vars(module).values() if type(each).__name__ in kinds]
    return [customer, *{id(each): each for each in found}.values()]


def batches(topic: str, plans: Sequence[Plan], customers: Sequence[int], size: int, *, first: int = 1) -> list[Batch]:
    """Events of a topic, one for each customer given, in batches; values are random, a tenth of them null."""
    rng = random.Random(7)
    needed = sorted({name for plan in plans for name in plan.columns})
    made = []
    for at in range(0, len(customers), size):
        part = customers[at : at + size]
        times = np.array([NOW_US - rng.randrange(_SPREAD_US) for _ in part], np.int64)
        columns = {
            name: column_of(COLUMNS[topic][name], [_value(COLUMNS[topic][name], rng) for _ in part]) for name in needed
        }
        positions = [Position(first + at + offset, 0) for offset in range(len(part))]
        made.append(Batch([f"customer{number}" for number in part], positions, Events(times, columns)))
    return made


def zipf(count: int, customers: int) -> list[int]:
    """Customers as they come in life: a few of them most of the time (exponent 1.1)."""
    weights = 1 / np.arange(1, customers + 1) ** 1.1
    chosen = np.random.default_rng(7).choice(customers, count, p=weights / weights.sum())
    return [int(number) for number in chosen]


def fill(place: World, plans: dict[str, list[Plan]], customers: int, events: int) -> None:
    """Give every topic `events` events of each of `customers` customers."""
    for topic, some in plans.items():
        writer = OnlineWriter(place.client, place.store.project, some)
        for batch in batches(topic, some, [*range(customers)] * events, 4_000):
            writer.apply(batch.customers, batch.positions, 0, batch.events)


def _value(kind: Kind, rng: random.Random) -> int | float | str | bool | None:
    if rng.random() < 0.1:
        return None
    if kind is Kind.STRING:
        return rng.choice(_WORDS)
    if kind is Kind.BOOL:
        return rng.random() < 0.5
    return rng.randrange(100_000) if kind is Kind.INT else rng.randrange(1_000) / 7
