"""One round trip gives every view of a service, and says what is missing, expired, null or damaged."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis
import redis.asyncio
from feast.protos.feast.types.Value_pb2 import Int64List, Value

from rapport.embedded import EmbeddedRedis
from rapport.errors import StoreUnavailable
from rapport.online import OnlineReader, OnlineWriter, PlainView, WindowedView, connect
from rapport.online.keys import KeyMaker, field_of, time_field
from rapport.online.timestamps import encode_timestamp_us
from rapport.settings import Settings
from rapport.testing.feeding import deliver
from rapport.windows import Aggregation, Kind, View, compile_view

NOW = 1_700_000_000_000_000
DAY = 86_400_000_000
KINDS = {"amount": Kind.FLOAT, "item": Kind.STRING}
PLAN = compile_view(
    View(
        "orders",
        KINDS,
        (
            Aggregation("n", "count", "", None, None),
            Aggregation("total", "sum", "amount", None, None),
            Aggregation("last_item", "last", "item", None, None),
        ),
        ttl_us=DAY,
    )
)
PROFILE = PlainView("profile", ("tier", "signup_day", "consent"), (Kind.STRING, Kind.INT, Kind.BOOL), DAY)
VIEWS = [WindowedView(PLAN, ("last_item", "n")), PROFILE]


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(redis_url)
    yield client
    client.close()


def put_profile(client: Any, customer: str, time_us: int, **values: Value) -> None:
    fields = {field_of("profile", name): value.SerializeToString() for name, value in values.items()}
    client.hset(KeyMaker("p").key(customer), mapping={**fields, time_field("profile"): encode_timestamp_us(time_us)})


def fill(client: redis.Redis) -> None:
    deliver(
        OnlineWriter(client, "p", [PLAN]),
        KINDS,
        [("c1", ("1", NOW, {"amount": 2.5, "item": "ä"})), ("c2", ("2", NOW - 2 * DAY, {})), ("c3", ("3", NOW, {}))],
    )
    put_profile(client, "c1", NOW - 1, tier=Value(string_val="gold"), signup_day=Value(int64_val=7))
    put_profile(client, "c2", NOW - DAY - 1, tier=Value(string_val="gold"))
    put_profile(client, "c4", NOW, tier=Value(), consent=Value(bool_val=True))


def check(rows: Any) -> None:
    assert rows.names == ("orders__last_item", "orders__n", "profile__tier", "profile__signup_day", "profile__consent")
    assert rows.status == {
        "orders": ("present", "expired", "present", "missing", "missing"),
        "profile": ("present", "expired", "missing", "present", "missing"),
    }
    assert rows.strings == {"orders__last_item": ("ä",) + (None,) * 4, "profile__tier": ("gold",) + (None,) * 4}
    nan = np.nan
    expected = [[nan, 1, nan, 7, nan], [nan] * 5, [nan, 1, nan, nan, nan], [nan, nan, nan, nan, 1], [nan] * 5]
    assert np.array_equal(rows.vector, expected, equal_nan=True)
    assert rows.newest_us["orders"].tolist() == [NOW, NOW - 2 * DAY, NOW, 0, 0]
    assert rows.newest_us["profile"].tolist() == [NOW - 1, NOW - DAY - 1, 0, NOW, 0]
    assert rows.damaged == {}


def test_read(client: redis.Redis) -> None:
    fill(client)
    rows = OnlineReader("p", VIEWS, client=client).read(["c1", "c2", "c3", "c4", "c5"], NOW)
    check(rows)
    assert len(rows) == 5
    assert rows.row(3) == dict(zip(rows.names, [None, None, None, None, True], strict=True))
    assert rows.row(0)["profile__signup_day"] == 7


def test_read_async(client: redis.Redis, redis_url: str) -> None:
    fill(client)

    async def read() -> tuple[Any, Any]:
        reader = OnlineReader("p", VIEWS, async_client=redis.asyncio.Redis.from_url(redis_url))
        both = await reader.read_async(["c1", "c2", "c3", "c4", "c5"], NOW), await reader.read_async(["c1"], NOW)
        await reader.close_async()
        return both

    many, one = asyncio.run(read())
    check(many)
    assert one.row(0) == many.row(0)


def test_customers_asked_for_at_once_are_read_together_each_as_of_its_own_time(
    client: redis.Redis, redis_url: str
) -> None:
    """None is another's, whatever their number, and one who gives up takes nobody along."""
    fill(client)
    wanted = [(f"c{1 + at % 5}", NOW + at * DAY // 40) for at in range(150)]

    async def read() -> list[dict[str, Any] | BaseException]:
        reader = OnlineReader("p", VIEWS, async_client=redis.asyncio.Redis.from_url(redis_url))
        await reader.read_one("c1", NOW)
        asked = client.info("commandstats")["cmdstat_hmget"]["calls"]
        tasks = [asyncio.ensure_future(reader.read_one(*each)) for each in wanted]
        await asyncio.sleep(0)
        tasks[7].cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert client.info("commandstats")["cmdstat_hmget"]["calls"] - asked == len(wanted)
        await reader.close_async()
        return [one if isinstance(one, BaseException) else one.rows.row(one.at) for one in found]

    found = asyncio.run(read())
    assert isinstance(found.pop(7), asyncio.CancelledError) and wanted.pop(7)
    alone = OnlineReader("p", VIEWS, client=client)
    assert found == [alone.read([customer], as_of_us).row(0) for customer, as_of_us in wanted]


def test_who_is_read_together_is_told_together_of_a_store_that_is_gone() -> None:
    async def read() -> list[Any]:
        reader = OnlineReader("p", VIEWS, async_client=redis.asyncio.Redis(port=1, socket_connect_timeout=1))
        reads = [reader.read_one(f"c{at}", NOW) for at in range(40)]
        return await asyncio.gather(*reads, return_exceptions=True)

    assert all(isinstance(one, StoreUnavailable) for one in asyncio.run(read()))


def test_subset_follows_a_models_order(client: redis.Redis) -> None:
    fill(client)
    rows = OnlineReader("p", VIEWS, client=client).read(["c1", "c4"], NOW)
    part = rows.subset(["profile__consent", "orders__n"])
    assert np.array_equal(part.vector, [[np.nan, 1], [1, np.nan]], equal_nan=True)
    assert (part.kinds, part.strings) == ((Kind.BOOL, Kind.INT), {})
    assert part.row(1) == {"profile__consent": True, "orders__n": None}
    with pytest.raises(KeyError, match="orders__nope were not read"):
        rows.subset(["orders__nope"])


def test_absent_rows_have_the_same_shape(client: redis.Redis) -> None:
    reader = OnlineReader("p", VIEWS, client=client)
    absent, unknown = reader.absent(2), reader.read(["x", "y"], NOW)
    assert absent.names == unknown.names
    assert absent.status == unknown.status
    assert np.isnan(absent.vector).all()


@pytest.mark.parametrize("damage", [b"\xff", Value(int64_list_val=Int64List(val=[1])).SerializeToString()])
def test_a_damaged_plain_row_counts_as_missing(client: Any, damage: bytes) -> None:
    fill(client)
    client.hset(KeyMaker("p").key("c1"), field_of("profile", "tier"), damage)
    rows = OnlineReader("p", VIEWS, client=client).read(["c1", "c4"], NOW)
    assert rows.damaged == {"profile": (0,)}
    assert rows.status["profile"] == ("missing", "present")


def test_a_reader_needs_the_client_of_its_way(client: redis.Redis) -> None:
    with pytest.raises(ValueError, match="without a blocking client"):
        OnlineReader("p", VIEWS).read(["c"], NOW)
    with pytest.raises(ValueError, match="without an asyncio client"):
        asyncio.run(OnlineReader("p", VIEWS, client=client).read_async(["c"], NOW))


def test_no_server_was_ever_started(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="RAPPORT_REDIS_URL"):
        connect(Settings(root=tmp_path, data_dir=tmp_path))


def test_a_frozen_server_is_noticed_in_time(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path, durable=False)
    settings = Settings(root=tmp_path, data_dir=tmp_path, redis_url=server.start(), redis_timeout_ms=50)
    reader = OnlineReader("p", VIEWS, client=connect(settings))
    reader.read(["c1"], NOW)
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    try:
        for customers in (["c1"], ["c1", "c2"]):
            started = time.monotonic()
            with pytest.raises(StoreUnavailable, match="reading features"):
                reader.read(customers, NOW)
            assert time.monotonic() - started < 0.5
        asyncio.run(_read_frozen(settings))
    finally:
        os.kill(server.pid, signal.SIGCONT)
        reader.close()
        server.stop()


async def _read_frozen(settings: Settings) -> None:
    from rapport.online import connect_async

    reader = OnlineReader("p", VIEWS, async_client=connect_async(settings))
    started = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await reader.read_async(["c1"], NOW)
    assert time.monotonic() - started < 0.5
    await reader.close_async()
