"""What a process will commit goes to its own readers before: once, in the order of the log, and the positions that
Kafka is told are those of committed records. Events under another partition's key are passed on to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main

from flows.ingest import ingest
from flows.runtime import Runtime
from rapport.bus import START, Message, Position
from rapport.bus.kafka import KafkaBus
from rapport.bus.kafka_link import KafkaLink
from rapport.bus.keys import partition_of
from rapport.bus.placed import is_ahead, is_placed, place_of
from rapport.bus.protocol import Hop, Reader
from rapport.events.block import places_of_rows, read_blocks
from rapport.testing.served import wait_for

MakeBus = Callable[[], KafkaBus]
OUT = "feedback.checked"
Seen = list[tuple[int, bytes]]


@pytest.fixture
def make_bus(kafka_servers: str, kafka_prefix: str) -> Iterator[MakeBus]:
    made: list[KafkaBus] = []

    def make() -> KafkaBus:
        made.append(KafkaBus(KafkaLink(kafka_servers, kafka_prefix), partitions=1))
        return made[-1]

    yield make
    for bus in made:
        bus.close()


class Worker:
    """A process that copies `feedback` to OUT, one record for each hop, and reads that, too."""

    def __init__(self, bus: KafkaBus) -> None:
        self.bus = bus
        self.member = bus.join("copy", ["feedback"])
        self.behind = bus.join("behind", [OUT], foretold=True)
        self.patient = bus.join("patient", [OUT])
        wait_for(lambda: all(member.places() for member in (self.member, self.behind, self.patient)))
        self.at = bus.position("copy", "feedback", 0)
        self.member.reader("feedback", 0, self.at)
        self.read = bus.position("behind", OUT, 0)
        self.reader: Reader = self.behind.reader(OUT, 0, self.read)
        self.seen: Seen = []

    def hop(self, value: bytes, raw: int = 3) -> Hop:
        """What comes of the next raw records."""
        to = Position(self.at.hi + raw, 0)
        hop = Hop("feedback", 0, self.at, to, [Message(OUT, "k", value, place=place_of(to))])
        self.at = to
        return hop

    def commit(self, *hops: Hop) -> None:
        for hop in hops:
            assert self.bus.commit_all("copy", [hop]) == [None]

    def look(self) -> Seen:
        """What is read now, and is done with at once."""
        found: Seen = []
        while batch := self.reader.poll(100):
            found += zip((position.hi for position in batch.positions), batch.values, strict=True)
            assert self.bus.commit_all("behind", [Hop(OUT, 0, self.read, batch.positions[-1])]) == [None]
            self.read = batch.positions[-1]
        self.seen += found
        return found

    def told(self) -> Position:
        return self.bus.position("behind", OUT, 0)


def log(bus: KafkaBus) -> Seen:
    """The topic as a reader of its own has it from the broker."""
    found: Seen = []
    reader = bus.reader(OUT, 0)
    while batch := reader.poll(1_000):
        found += zip((position.hi for position in batch.positions), batch.values, strict=True)
    return found


def test_what_will_be_committed_is_read_at_once_and_once(make_bus: MakeBus) -> None:
    bus = make_bus()
    bus.publish([Message("feedback", "k", b"raw")] * 30)
    worker = Worker(bus)
    hops = [worker.hop(b"%d" % number) for number in range(4)]
    for hop in hops:
        bus.foretell(OUT, hop)
    assert [value for _, value in worker.look()] == [b"0", b"1", b"2", b"3"]
    assert is_ahead(worker.read) and worker.told() == START and log(bus) == []
    # An archive, say, has to wait.
    patient = worker.patient.reader(OUT, 0, START)
    assert patient.poll(100) is None
    worker.commit(*hops)
    wait_for(lambda: patient.poll(100) is not None)
    # The first record that was committed is behind the transaction's mark of the one before.
    wait_for(lambda: bool(worker.look()) or worker.told().hi == worker.read.hi)
    assert not is_ahead(worker.told()) and worker.seen == log(bus)
    # Nobody was told of this one: it comes over the broker, and what follows on it does not.
    worker.commit(worker.hop(b"4"))
    wait_for(worker.look)
    assert worker.told() <= worker.read and not is_ahead(worker.read)
    hop = worker.hop(b"5")
    bus.foretell(OUT, hop)
    assert worker.look() == [(place_of(worker.at), b"5")]
    worker.commit(hop)
    wait_for(lambda: bool(worker.look()) or worker.told().hi == worker.read.hi)
    assert worker.seen == log(bus) and [value for _, value in worker.seen] == [b"%d" % number for number in range(6)]
    # Another process goes on from there.
    bus.close()
    other = Worker(make_bus())
    assert other.read == (worker.seen[-1][0], other.read.lo) and is_placed(other.read)
    hop = other.hop(b"6")
    other.bus.foretell(OUT, hop)
    assert other.look() == [(place_of(other.at), b"6")]


def test_what_does_not_follow_waits_for_what_was_before(make_bus: MakeBus) -> None:
    """A reader that comes late, beside hops that are committed and not read, and one that is not committed."""
    bus = make_bus()
    bus.publish([Message("feedback", "k", b"raw")] * 30)
    worker = Worker(bus)
    worker.commit(worker.hop(b"0"), worker.hop(b"1"))
    hop = worker.hop(b"2")
    bus.foretell(OUT, hop)
    wait_for(lambda: bool(worker.look()) and len(worker.seen) == 3)
    assert [value for _, value in worker.seen] == [b"0", b"1", b"2"] and [value for _, value in log(bus)] == [
        b"0",
        b"1",
    ]


def test_a_position_in_the_raw_log_is_kept_and_read_from(make_bus: MakeBus) -> None:
    bus = make_bus()
    places = [place_of(Position(at, 0)) for at in (10, 20, 30)]
    bus.publish([Message(OUT, "k", b"old"), *(Message(OUT, "k", b"%d" % place, place=place) for place in places)])
    whole = bus.reader(OUT, 0).poll(10)
    assert whole is not None and whole.positions == [
        Position(1, 0), *(Position(place, n) for n, place in enumerate(places, 2))
    ]  # fmt: skip
    middle = whole.positions[2]
    bus.commit("other", OUT, 0, expected=START, position=middle)
    assert bus.position("other", OUT, 0) == middle
    rest = bus.reader(OUT, 0, middle).poll(10)
    assert rest is not None and rest.positions == whole.positions[3:] and bus.reader(OUT, 0, middle).lag() == 1
    # Before a record, and up to it.
    assert bus.trim(OUT, 0, middle) == 2 and bus.trim(OUT, 0, Position(middle.hi, middle.lo + 1)) == 1
    assert bus.seek("other", OUT) == {}
    bus.trim(OUT, 0, Position(places[2], 5))
    assert bus.seek("other", OUT) == {0: (middle, Position(middle.hi, 4))}
    # A header that says a place means nothing where others write, too.
    bus.publish([Message("feedback", "k", b"raw", place=places[0])])
    raw = bus.reader("feedback", 0).poll(1)
    assert raw is not None and raw.positions == [Position(1, 0)]


def test_events_under_another_partitions_key_are_passed_on(make_runtime_: Callable[..., Runtime]) -> None:
    runtime = make_runtime_(partitions=3)
    people = [f"c{number % 20}" for number in range(60)]
    # All of them by the key of one shop; each event is there twice.
    event = '{"event_id":"e%d","customer_id":"%s","event_time":"2025-03-01T12:00:00Z","csat":3}'
    values = [(event % (number // 2, people[number // 2])).encode() for number in range(60)]
    sent = [Message("feedback", "shop", value, origin="run") for value in values]
    runtime.bus.publish([*sent, Message("feedback", "shop", b"{")])
    flow = Dataflow("ingest")
    ingest(flow, runtime, drain=True)
    run_main(flow)
    counts = runtime.bus.counts()
    assert counts["accepted:feedback"] == counts["origin:run:accepted"] == 30 and counts["dead:duplicate"] == 30
    assert counts["dead:bad_json"] == 1
    found = []
    for partition in range(3):
        reader = runtime.bus.reader(OUT, partition)
        while batch := reader.poll(100):
            rows = [row for block in read_blocks("feedback", batch.values) for row in block.to_pylist()]
            assert {partition_of(row["customer_id"], 3) for row in rows} == {partition}
            hi, _ = places_of_rows(batch.positions, batch.values)
            assert hi.tolist() == sorted(set(hi.tolist())) and place_of(START) < hi[0] and is_placed(batch.positions[0])
            found += [row["event_id"] for row in rows]
    assert sorted(found) == sorted(f"e{number}" for number in range(30))


def test_a_raw_topic_that_was_made_anew_goes_on_behind_the_former_places(make_bus: MakeBus) -> None:
    bus = make_bus()
    bus.publish([Message("feedback", "k", b"%d" % number) for number in range(3)])
    former = Position(50, 0)
    bus.commit("ingest", "feedback", 0, expected=START, position=former)
    assert bus.seek("ingest", "feedback") == {0: (former, Position(0, 1))} and bus.seek("ingest", "feedback") == {}
    member = bus.join("ingest", ["feedback"])
    wait_for(member.places)
    at = bus.position("ingest", "feedback", 0)
    found = bus.reader("feedback", 0, at).poll(10)
    assert found is not None and found.positions == [Position(offset, 1) for offset in (1, 2, 3)]
    assert place_of(found.positions[0]) > place_of(former)
    member.reader("feedback", 0, at)
    hop = Hop("feedback", 0, at, found.positions[-1], [Message(OUT, "k", b"x", place=place_of(found.positions[-1]))])
    assert bus.commit_all("ingest", [hop]) == [None] and bus.position("ingest", "feedback", 0) == Position(3, 1)
