"""Members of a group on a real broker: partitions come and go in the middle of a batch, and retention overtakes."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from rapport.bus import START, Message, Position, Reader, RecordBatch
from rapport.bus.kafka import KafkaBus
from rapport.bus.kafka_link import KafkaLink
from rapport.bus.protocol import Hop, Membership, Place
from rapport.bus.share import Share
from rapport.errors import BusError, BusFull, PositionMoved, RecordsGone, SettingsError
from rapport.testing.served import wait_for

TOPIC = "feedback"
MakeBus = Callable[..., KafkaBus]


@pytest.fixture
def make_bus(kafka_servers: str, kafka_prefix: str) -> Iterator[MakeBus]:
    made: list[KafkaBus] = []

    def make(partitions: int = 4, **more: object) -> KafkaBus:
        made.append(KafkaBus(KafkaLink(kafka_servers, kafka_prefix), partitions=partitions, **more))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for bus in made:
        bus.close()


def readers(bus: KafkaBus, member: Membership, group: str = "copy") -> dict[Place, Reader]:
    return {place: member.reader(*place, bus.position(group, *place)) for place in member.places()}


def polled(reader: Reader) -> list[RecordBatch]:
    """The reader's first batch, when it has come."""
    found: list[RecordBatch] = []

    def look() -> bool:
        batch = reader.poll(100)
        found.extend([batch] if batch else [])
        return bool(found)

    wait_for(look)
    return found


def copy_all(bus: KafkaBus, member: Membership, wanted: int, group: str = "copy") -> None:
    """Copy a topic to `out` as a flow does, until so many have been copied by whoever does it."""
    terms: object = None
    deadline = time.monotonic() + 60
    at: dict[Place, Position] = {}
    reading: dict[Place, Reader] = {}
    while bus.counts().get("n", 0) < wanted:
        assert time.monotonic() < deadline
        if member.places() is not terms:
            terms = member.places()
            at = {place: bus.position(group, *place) for place in member.places()}
            reading = {place: member.reader(*place, at[place]) for place in at}
        bus.wait(0.05)
        hops = []
        for place, reader in reading.items():
            if batch := reader.poll(100):
                outputs = [Message("out", key, value) for key, value in zip(batch.keys, batch.values, strict=True)]
                hops.append(Hop(*place, at[place], batch.positions[-1], outputs, {"n": len(outputs)}))
                at[place] = batch.positions[-1]
        if hops and any(bus.commit_all(group, hops)):
            terms = None


def copied(bus: KafkaBus) -> Counter[bytes]:
    found: Counter[bytes] = Counter()
    for partition in range(bus.partitions("out")):
        reader = bus.reader("out", partition)
        while batch := reader.poll(1_000):
            found.update(batch.values)
    return found


def events(count: int, first: int = 0) -> list[Message]:
    return [Message(TOPIC, f"c{n % 50}", b"%d" % n) for n in range(first, first + count)]


def test_hops_of_a_batch_that_was_read_before_a_rebalance_are_void(make_bus: MakeBus) -> None:
    one, two = make_bus(), make_bus()
    one.publish(events(400))
    first = one.join("copy", [TOPIC], Share(0, 2))
    wait_for(lambda: len(first.places()) == 4)
    reading = readers(one, first)
    batches = {}
    wait_for(lambda: batches.update({p: b for p, r in reading.items() if (b := r.poll(1_000))}) or len(batches) == 4)
    # A second worker comes in the middle: what the first has read is not committed yet.
    second = two.join("copy", [TOPIC], Share(1, 2))
    wait_for(lambda: len(first.places()) == len(second.places()) == 2)
    hops = [
        Hop(*place, START, batch.positions[-1], [Message("out", "k", v) for v in batch.values], {"n": len(batch)})
        for place, batch in batches.items()
    ]
    refused = one.commit_all("copy", hops)
    assert all(isinstance(error, PositionMoved) for error in refused)
    assert one.counts() == {} and copied(one) == Counter()
    assert all(one.position("copy", *place) == START for place in batches)
    # Each goes on with its own part, and then one of them with everything.
    one.publish(events(200, 400))
    for bus, member in ((one, first), (two, second)):
        copy_some(bus, readers(bus, member))
    one.close()
    copy_all(two, second, 600)
    assert copied(two) == Counter(message.value for message in [*events(400), *events(200, 400)])
    assert two.counts() == {"n": 600}


def test_a_member_that_waited_for_room_reads_on_after_a_rebalance(
    make_bus: MakeBus, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What was paused for want of room is given away and back before there is room again."""
    monkeypatch.setattr("rapport.bus.kafka_member._MAX_HELD", 50)
    monkeypatch.setattr("rapport.bus.kafka_member._FULL_FOR_S", 0.1)
    caplog.set_level("INFO", "rapport.bus.kafka_member")
    one, two = make_bus(), make_bus()
    one.publish(events(4_000))
    first = one.join("copy", [TOPIC], Share(0, 2))
    wait_for(lambda: len(first.places()) == 4)
    readers(one, first)
    wait_for(lambda: any("has not been taken" in record.getMessage() for record in caplog.records))
    second = two.join("copy", [TOPIC], Share(1, 2))
    wait_for(lambda: len(first.places()) == len(second.places()) == 2)
    two.close()
    wait_for(lambda: len(first.places()) == 4, timeout_s=40)
    copy_all(one, first, 4_000)
    assert copied(one) == Counter(message.value for message in events(4_000))


def copy_some(bus: KafkaBus, own: dict[Place, Reader]) -> None:
    hops = []
    for place, reader in own.items():
        (batch,) = polled(reader)
        outputs = [Message("out", "k", value) for value in batch.values[:40]]
        at = bus.position("copy", *place)
        hops.append(Hop(*place, at, batch.positions[len(outputs) - 1], outputs, {"n": len(outputs)}))
    assert bus.commit_all("copy", hops) == [None] * len(hops)


def test_a_process_that_was_taken_for_dead_can_move_nothing(make_bus: MakeBus) -> None:
    """Two processes that take themselves for the same worker: the first is shut out when the second comes."""
    one, two = make_bus(1), make_bus(1)
    one.publish(events(10))
    first = one.join("copy", [TOPIC])
    wait_for(first.places)
    reader = first.reader(TOPIC, 0)
    (batch,) = polled(reader)
    second = two.join("copy", [TOPIC])
    wait_for(second.places)
    hop = Hop(TOPIC, 0, START, batch.positions[-1], [Message("out", "k", b"x")], {"n": 1})

    def refused() -> bool:
        (error,) = one.commit_all("copy", [hop])
        return error is not None

    assert refused()
    wait_for(lambda: broken(first))
    copy_all(two, second, 10)
    assert sum(copied(two).values()) == 10 and two.counts() == {"n": 10}


def broken(member: Membership) -> bool:
    try:
        member.places()
    except BusError as error:
        assert "another process" in str(error)
        return True
    return False


def test_retention_that_overtakes_a_group_stops_it_with_what_to_do(make_bus: MakeBus) -> None:
    bus = make_bus(1)
    bus.publish(events(100))
    member = bus.join("ingest", [TOPIC])
    wait_for(member.places)
    reader = member.reader(TOPIC, 0)
    polled(reader)
    assert bus.commit_all("ingest", [Hop(TOPIC, 0, START, Position(10, 0), [Message("out", "k", b"x")])]) == [None]
    bus.close()
    assert bus.trim(TOPIC, 0, Position(61, 0)) == 60
    member = bus.join("ingest", [TOPIC])
    wait_for(member.places)
    reader = member.reader(TOPIC, 0, bus.position("ingest", TOPIC, 0))
    with pytest.raises(RecordsGone) as gone:
        wait_for(lambda: reader.poll(10) and False)
    for part in (
        "offset 10 of feedback/0",
        "the oldest that Kafka still has is 60",
        "50 records",
        "bus seek ingest feed",
    ):
        assert part in str(gone.value)
    with pytest.raises(RecordsGone):
        member.places()
    bus.close()
    with pytest.raises(RecordsGone, match="a reader wants offset 3"):
        bus.reader(TOPIC, 0, Position(3, 0)).poll(1)
    wait_for(lambda: moved(bus), timeout_s=30)
    member = bus.join("ingest", [TOPIC])
    wait_for(member.places)
    reader = member.reader(TOPIC, 0, bus.position("ingest", TOPIC, 0))
    assert polled(reader)[0].values[0] == b"60"


def moved(bus: KafkaBus) -> bool:
    """Kafka takes a member that has left for alive until its session ends."""
    try:
        return bus.seek("ingest", TOPIC) == {0: (Position(10, 0), Position(60, 0))}
    except BusError as error:
        assert "is being read" in str(error)
        return False


def test_consumers_that_are_behind_slow_the_producers_down_and_kept_records_do_not(make_bus: MakeBus) -> None:
    bus = make_bus(1, max_length=100, groups={TOPIC: ("ingest",)})
    bus.publish(events(100))
    with pytest.raises(BusFull, match="100 unread records"):
        bus.publish(events(1))
    bus.commit("ingest", TOPIC, 0, expected=START, position=Position(60, 0))
    wait_for(lambda: publishes(bus, 60))
    with pytest.raises(BusFull):
        bus.publish(events(1))


def publishes(bus: KafkaBus, count: int) -> bool:
    try:
        bus.publish(events(count))
    except BusFull:
        return False
    return True


def test_topics_that_are_not_as_they_must_be_are_refused(
    make_bus: MakeBus, kafka_servers: str, kafka_prefix: str
) -> None:
    from confluent_kafka.admin import AdminClient, NewTopic

    make_bus(2).publish(events(1))
    with pytest.raises(SettingsError, match="has 2 partitions, and 3 are expected: set RAPPORT_PARTITIONS to 2"):
        make_bus(3).publish(events(1))
    admin = AdminClient({"bootstrap.servers": kafka_servers})
    wrong = NewTopic(f"{kafka_prefix}mine", 2, 1, config={"message.timestamp.type": "CreateTime"})
    admin.create_topics([wrong])[wrong.topic].result()
    with pytest.raises(SettingsError, match=r"message\.timestamp\.type to LogAppendTime"):
        make_bus(2).publish([Message("mine", "k", b"x")])


def test_other_producers_with_the_same_partitioner_agree(
    make_bus: MakeBus, kafka_servers: str, kafka_prefix: str
) -> None:
    from confluent_kafka import Producer

    bus = make_bus(4)
    keys = [f"customer {n} ü" for n in range(60)]
    bus.publish([Message(TOPIC, key, b"ours") for key in keys])
    other = Producer({"bootstrap.servers": kafka_servers, "partitioner": "consistent"})
    for key in keys:
        other.produce(kafka_prefix + TOPIC, b"theirs", key)
    other.flush()
    homes: dict[str, set[int]] = {}
    for partition in range(4):
        reader = bus.reader(TOPIC, partition)
        while batch := reader.poll(1_000):
            for key in batch.keys:
                homes.setdefault(key, set()).add(partition)
    assert set(homes) == set(keys) and all(len(home) == 1 for home in homes.values())
