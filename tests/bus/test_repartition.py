"""Another number of partitions for a bus that has data: only when nothing waits, and nobody uses the old number."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from conformance import messages, values

from rapport.bus import START, Message, Position
from rapport.bus.redis_streams import RedisStreamsBus
from rapport.errors import BusError, SettingsError

READERS = [("g", "t"), ("h", "t"), ("g", "u")]


@pytest.fixture
def bus(redis_url: str) -> Iterator[RedisStreamsBus]:
    bus = RedisStreamsBus(redis_url, partitions=2)
    yield bus
    bus.close()


def read_up(bus: RedisStreamsBus, group: str, topic: str) -> None:
    """Commit all there is."""
    for partition in range(bus.partitions(topic)):
        at = bus.position(group, topic, partition)
        if batch := bus.reader(topic, partition, at).poll(10_000):
            bus.commit(group, topic, partition, expected=at, position=batch.positions[-1])


def test_an_empty_bus_may_have_any_number(bus: RedisStreamsBus) -> None:
    bus.repartition(5, READERS, ["letters"])
    assert bus.partitions("t") == 5
    bus.publish(messages(50))
    assert len(values(bus, "t")) == 50


def test_what_waits_is_named_and_nothing_changes(bus: RedisStreamsBus) -> None:
    bus.publish(messages(50))
    read_up(bus, "g", "t")
    with pytest.raises(BusError, match="group 'h' has not read all of t/"):
        bus.repartition(3, READERS, [])
    bus.publish(messages(1))
    read_up(bus, "h", "t")
    with pytest.raises(BusError, match="group 'g' has not read all of t/"):
        bus.repartition(3, READERS, [])
    read_up(bus, "g", "t")
    bus.repartition(3, READERS, [])
    assert bus.partitions("t") == 3


def test_who_routes_by_the_old_number_is_refused_even_in_the_middle_of_its_work(
    bus: RedisStreamsBus, redis_url: str
) -> None:
    old = RedisStreamsBus(redis_url, partitions=2)
    old.publish(messages(10, "x"))
    bus.repartition(4, READERS, [])
    with pytest.raises(SettingsError, match="written with 4 partitions"):
        old.publish(messages(1))
    with pytest.raises(SettingsError, match="written with 4 partitions"):
        old.commit("g", "t", 0, expected=START, position=Position(1, 0), outputs=messages(1, "out"))
    assert bus.position("g", "t", 0) == START and values(bus, "out") == [] and values(bus, "t") == []
    with pytest.raises(SettingsError, match="rapport partitions"):
        old.repartition(8, READERS, [])
    old.close()


def test_positions_go_on_where_they_were(bus: RedisStreamsBus) -> None:
    """A partition that went and comes back gives its old records to nobody again."""
    bus.publish(messages(20))
    for group in "gh":
        read_up(bus, group, "t")
    for number in (1, 3, 2, 4):
        bus.repartition(number, READERS, [])
        before = [bus.position("g", "t", part) for part in range(number)]
        assert all(bus.reader("t", part, at).poll(10) is None for part, at in enumerate(before))
        bus.publish(messages(20))
        got = [bus.reader("t", part, at).poll(100) for part, at in enumerate(before)]
        assert sorted(value for batch in got if batch for value in batch.values) == sorted(b"%d" % i for i in range(20))
        for group in "gh":
            read_up(bus, group, "t")


def test_a_partition_that_holds_unread_topics_cannot_go(bus: RedisStreamsBus) -> None:
    bus.publish([Message("letters", f"c{i}", b"x") for i in range(20)])
    with pytest.raises(BusError, match="partition 1 holds records of letters"):
        bus.repartition(1, READERS, ["letters"])
    bus.repartition(3, READERS, ["letters"])
    assert len(values(bus, "letters")) == 20
