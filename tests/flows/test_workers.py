"""Workers come and go between runs and are killed in the middle of one: the rows are those of a single worker."""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
from feast import FeatureStore
from share_worker import work

from feature_repo import sources, views
from feature_repo.entities import customer
from flows.features import load_declared
from rapport.bus import Bus, Message
from rapport.bus.groups import consumers
from rapport.bus.redis_streams import RedisStreamsBus
from rapport.bus.share import Share
from rapport.clock import WORLD_CLOCK_KEY, WorldClock, to_us
from rapport.dead_letters import drop_letters, list_letters
from rapport.embedded import EmbeddedRedis
from rapport.events.decode import decode
from rapport.events.derive import derive
from rapport.online.marks import MARK_BYTES
from rapport.settings import load_settings
from rapport.supervisor.repartition import repartition
from rapport.testing.oracle import OracleEvent, oracle
from rapport.testing.served import wait_for
from tests.flows.given import STORE_YAML

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
NOW_US = to_us(NOW)
OBJECTS = [customer, sources.purchase_events, sources.feedback, views.rfm, views.purchases, views.satisfaction]
PEOPLE = [f"c{number}" for number in range(40)]
PARTITIONS = 4


class Installation:
    """A Redis, an applied repository, and workers as processes."""

    def __init__(self, folder: Path, url: str, partitions: int = PARTITIONS) -> None:
        self.folder = folder
        self.url = url
        self.partitions = partitions
        (folder / "feature_store.yaml").write_text(STORE_YAML % url)
        self.store = FeatureStore(repo_path=str(folder))
        self.store.apply(OBJECTS)
        self.bus = RedisStreamsBus(url, partitions=partitions)
        settings = load_settings({"RAPPORT_REDIS_URL": url}, root=folder)
        self.plans = load_declared(settings).plans
        with redis.Redis.from_url(url) as client:
            client.set(WORLD_CLOCK_KEY, msgspec.json.encode(WorldClock(0, NOW_US, 0.0)))

    def start(self, index: int, count: int) -> BaseProcess:
        processes = multiprocessing.get_context("forkserver")
        processes.set_forkserver_preload(["flows.worker"])
        views = {topic: [plan.view for plan in some] for topic, some in self.plans.items()}
        process = processes.Process(target=work, args=(self.url, self.folder, self.partitions, views, index, count))
        process.start()
        return process

    @contextmanager
    def workers(self, *shares: tuple[int, int]) -> Iterator[list[BaseProcess]]:
        """Workers with these shares; killed at the end."""
        running = [self.start(*share) for share in shares]
        try:
            yield running
        finally:
            for process in running:
                process.kill()
                process.join()

    def until_read(self) -> None:
        readers = [(group, topic) for group, topic in consumers() if group != "archive"]
        wait_for(lambda: all(_lag(self.bus, *one) == 0 for one in readers), timeout_s=100)

    def rows(self) -> dict[bytes, dict[bytes, bytes]]:
        """Every customer's hash, the marks of its rows cut off."""
        with redis.Redis.from_url(self.url) as client:
            keys = [key for key in client.scan_iter(_type="HASH") if not key.startswith(b"rapport:")]
            found: dict[bytes, Any] = {key: client.hgetall(key) for key in keys}
        return {key: {field: _unmarked(field, value) for field, value in row.items()} for key, row in found.items()}


def _unmarked(field: bytes, value: bytes) -> bytes:
    return value if field.startswith(b"_ts:") else value[MARK_BYTES:]


def _lag(bus: Bus, group: str, topic: str) -> int:
    places = range(bus.partitions(topic))
    return sum(bus.reader(topic, part, bus.position(group, topic, part)).lag() for part in places)


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Installation]]:
    # Workers leave a small machine little for anything else.
    monkeypatch.setenv("RAPPORT_REDIS_TIMEOUT_MS", "10000")
    servers: list[EmbeddedRedis] = []

    def made(name: str, partitions: int = PARTITIONS) -> Installation:
        folder = tmp_path / name
        folder.mkdir()
        servers.append(EmbeddedRedis(folder / "redis", durable=False))
        return Installation(folder, servers[-1].start(), partitions)

    yield made
    for server in servers:
        server.stop()


def some_events(count: int, first: int = 0) -> list[Message]:
    """Orders and feedback; one in thirty is sent twice."""
    rng, sent = random.Random(first), []
    for number in range(first, first + count):
        who, ago = rng.choice(PEOPLE), timedelta(seconds=rng.randrange(9_000_000))
        event: dict[str, Any] = {"event_id": f"e{number}", "customer_id": who, "event_time": NOW - ago}
        if rng.random() < 0.7:
            event |= {"action": "order", "order_id": f"o{number}", "amount": str(rng.randrange(999) / 100)}
            sent.append(Message("purchase_events", who, msgspec.json.encode(event | {"currency": "EUR"})))
        else:
            sent.append(Message("feedback", who, msgspec.json.encode(event | {"nps": rng.randrange(11)})))
        if rng.random() < 0.03:
            sent.append(rng.choice(sent))
    return sent


def check_rows(installation: Installation, sent: Sequence[Message]) -> None:
    """What Feast reads is what the oracle says of the events, each counted once."""
    for topic, some in installation.plans.items():
        events: dict[str, list[OracleEvent]] = {who: [] for who in PEOPLE}
        for message in {message.value: message for message in sent if message.topic == topic}.values():
            (row,) = derive(topic, [decode(topic, message.value)], [NOW_US]).rows.to_pylist()
            events[message.key].append((str(row["event_id"]), int(row["event_time_us"] or 0), row))
        for plan in some:
            asked = [f"{plan.view.name}:{name}" for name in plan.names]
            read = installation.store.get_online_features(asked, [{"customer_id": who} for who in PEOPLE]).to_dict()
            for at, who in enumerate(PEOPLE):
                _, expected = oracle(plan.view, events[who], NOW_US)
                assert {name: read[name][at] for name in plan.names} == pytest.approx(expected, nan_ok=True), who


def test_workers_added_removed_and_killed_give_the_rows_of_one(make: Callable[..., Installation]) -> None:
    sent = some_events(3_000)
    many, one = make("many"), make("one")
    with many.workers((0, 1)):
        many.bus.publish(sent[:1_000])
        many.until_read()
    # Three, and a fourth by mistake, that has a share which another one has too; one of the three is killed at work.
    many.bus.publish(sent[1_000:2_000])
    with many.workers((0, 3), (1, 3), (2, 3), (0, 3)) as running:
        settled = sum(many.bus.counts("accepted:").values())
        wait_for(lambda: sum(many.bus.counts("accepted:").values()) > settled + 100, timeout_s=100, every_s=0.01)
        running[0].kill()
        many.bus.publish(sent[2_000:2_500])
        running.append(many.start(1, 3))
        running[1].kill()
        many.until_read()
    with many.workers((0, 2), (1, 2)):
        many.bus.publish(sent[2_500:])
        many.until_read()
    with one.workers((0, 1)):
        one.bus.publish(sent)
        one.until_read()
    assert many.rows() == one.rows()
    assert many.bus.counts() == one.bus.counts()
    check_rows(many, sent)


def test_more_and_fewer_partitions_between_runs(make: Callable[..., Installation]) -> None:
    sent = some_events(1_500)
    many, one = make("many", 1), make("one", 1)
    for at, partitions in enumerate((1, 2, 1)):
        settings = load_settings(
            {"RAPPORT_REDIS_URL": many.url, "RAPPORT_PARTITIONS": str(many.partitions)}, root=many.folder
        )
        # The archive is no part of this test: it has read what it shall.
        _pass(many.bus, "archive")
        # What was sent twice has become letters, in partitions that may not go with them.
        drop_letters(many.bus, list_letters(many.bus, limit=10_000))
        many.partitions = repartition(settings, partitions).partitions
        many.bus = RedisStreamsBus(many.url, partitions=partitions)
        with many.workers(*((index, partitions) for index in range(partitions))):
            many.bus.publish(sent[at * 500 :][:500])
            many.until_read()
    with one.workers((0, 1)):
        one.bus.publish(sent[:1_500])
        one.until_read()
    assert many.rows() == one.rows()
    check_rows(many, sent[:1_500])


def _pass(bus: Bus, group: str) -> None:
    for reader, topic in consumers():
        for part in range(bus.partitions(topic)):
            at = bus.position(group, topic, part)
            while reader == group and (batch := bus.reader(topic, part, at).poll(10_000)):
                bus.commit(group, topic, part, expected=at, position=batch.positions[-1])
                at = batch.positions[-1]


@pytest.mark.parametrize("places", [1, 5, 20, 21])
@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_each_place_has_one_owner(places: int, count: int) -> None:
    owned = [place for index in range(count) for place in Share(index, count).of(range(places))]
    assert sorted(owned) == list(range(places))


@pytest.mark.parametrize("share", [(1, 1), (-1, 2), (0, 0)])
def test_a_share_that_is_none(share: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="worker"):
        Share(*share)
