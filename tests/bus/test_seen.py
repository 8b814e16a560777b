"""The memory of event ids against a dictionary, through restarts, lost connections, lost lists and a server that is
gone for a while; and that no list of ids is ever without a time to live."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rapport.bus.protocol import Position
from rapport.bus.seen import SeenEvents, share_seen
from rapport.embedded import EmbeddedRedis
from rapport.errors import BusUnavailable

PERIOD_US = 1_000_000
AT_US = 1_700_000_000_000_000

EVENTS = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 900_000)), min_size=1, max_size=6)
"""Ids, and how long after the one before each arrives."""
BETWEEN = st.sampled_from(["nothing", "restart", "forget", "cut", "again"])


def lasting(client: redis.Redis) -> bool:
    """Whether all lists of ids have a time to live."""
    return all(client.ttl(key) > 0 for key in client.keys("rapport:seen:*"))  # type: ignore[union-attr, operator]


class Known:
    """What SeenEvents promises: by period, the place that has each id."""

    def __init__(self) -> None:
        self._places: dict[tuple[int, str], Position] = {}

    def claim(self, ids: list[str], places: list[Position], arrivals_us: list[int]) -> list[bool]:
        own = []
        for one, place, arrival_us in zip(ids, places, arrivals_us, strict=True):
            period = arrival_us // PERIOD_US
            before = self._places.get((period - 1, one))
            own.append((before or self._places.setdefault((period, one), place)) == place)
        return own


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(BETWEEN, EVENTS), min_size=1, max_size=6))
def test_claims_are_as_those_of_a_dictionary_whatever_happens_between(
    redis_url: str, batches: list[tuple[str, list[tuple[str, int]]]]
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        seen, known = SeenEvents(client, remembered_s=1), Known()
        at_us, offset, last = AT_US, 0, None
        for between, events in batches:
            if between == "restart":
                seen = SeenEvents(client, remembered_s=1)
            elif between == "forget":
                seen.forget("t", 0)
            elif between == "cut":
                for one in client.client_list(_type="normal"):
                    if one["id"] != str(client.client_id()):
                        client.client_kill_filter(_id=one["id"])
            elif last is not None:
                # A batch that was claimed and not committed is read again.
                assert seen.claim("t", 0, *last).tolist() == known.claim(*last)
            arrivals_us = [at_us := at_us + later for _, later in events]
            last = [one for one, _ in events], [Position(offset + i, 0) for i in range(1, len(events) + 1)], arrivals_us
            offset += len(events)
            assert seen.claim("t", 0, *last).tolist() == known.claim(*last)
            assert lasting(client) and len(client.keys("rapport:seen:*")) <= 2 + len(events)  # type: ignore[arg-type]


def test_a_list_that_was_lost_is_begun_with_a_time_to_live(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        seen = SeenEvents(client)
        for number in range(3):
            assert seen.claim("t", 0, [f"e{number}"], [Position(number + 1, 0)], [AT_US]).all()
            assert lasting(client) and len(client.keys("rapport:seen:*")) == 1  # type: ignore[arg-type]
            client.flushall()


def test_a_time_to_live_is_set_anew_by_the_next_process(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        SeenEvents(client).claim("t", 0, ["a"], [Position(1, 0)], [AT_US])
        (key,) = client.keys("rapport:seen:*")  # type: ignore[misc]
        client.expire(key, 5)
        SeenEvents(client).claim("t", 0, ["b"], [Position(2, 0)], [AT_US])
        assert client.ttl(key) > 80_000  # type: ignore[operator]


def test_what_partitions_share_has_a_time_to_live(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        SeenEvents(client).claim("t", 0, ["a"], [Position(1, 0)], [AT_US])
        share_seen(client, ["t"], 1, 3)
        assert lasting(client) and len(client.keys("rapport:seen:*")) == 3  # type: ignore[arg-type]
        assert not SeenEvents(client).claim("t", 2, ["a"], [Position(1, 0)], [AT_US]).any()


def test_a_server_that_is_gone_for_a_while(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path / "redis")
    with redis.Redis.from_url(server.start()) as client:
        seen, places = SeenEvents(client), [Position(1, 0), Position(2, 0)]
        assert seen.claim("t", 0, ["a"], places[:1], [AT_US]).all()
        time.sleep(1.1)
        server.stop()
        with pytest.raises(BusUnavailable):
            seen.claim("t", 0, ["b"], places[1:], [AT_US])
        server.start()
        assert seen.claim("t", 0, ["a", "b"], places, [AT_US, AT_US]).all()
        other = [Position(3, 0), Position(4, 0)]
        assert not SeenEvents(client).claim("t", 0, ["a", "b"], other, [AT_US, AT_US]).any() and lasting(client)
    server.stop()
