"""What a process has committed and reads itself comes to it without a way over the broker: all of it, once, in the
order of the log, whoever else writes in between."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from rapport.bus import START, Message, Position
from rapport.bus.kafka import KafkaBus
from rapport.bus.kafka_link import KafkaLink
from rapport.bus.kafka_member import KafkaMember
from rapport.bus.protocol import Hop, Reader
from rapport.testing.served import wait_for

MakeBus = Callable[[], KafkaBus]
OUT = "feedback.checked"


@pytest.fixture
def make_bus(kafka_servers: str, kafka_prefix: str) -> Iterator[MakeBus]:
    made: list[KafkaBus] = []

    def make() -> KafkaBus:
        made.append(KafkaBus(KafkaLink(kafka_servers, kafka_prefix), partitions=1))
        return made[-1]

    yield make
    for bus in made:
        bus.close()


class Handing:
    """A bus whose process copies `feedback` to OUT and reads that, too."""

    def __init__(self, bus: KafkaBus) -> None:
        self.bus = bus
        self.member = bus.join("copy", ["feedback"])
        self.behind = bus.join("behind", [OUT])
        wait_for(lambda: bool(self.member.places()) and bool(self.behind.places()))
        self.at = bus.position("copy", "feedback", 0)
        self.member.reader("feedback", 0, self.at)
        self.reader: Reader = self.behind.reader(OUT, 0, START)
        self.handed = 0
        self.seen: list[tuple[Position, bytes]] = []
        _count_handed(self.behind, self)

    def commit(self, values: list[bytes]) -> None:
        to = Position(self.at.hi + 1, 0)
        outputs = [Message(OUT, "k", value) for value in values]
        assert self.bus.commit_all("copy", [Hop("feedback", 0, self.at, to, outputs)]) == [None]
        self.at = to

    def look(self) -> None:
        while batch := self.reader.poll(100):
            self.seen += zip(batch.positions, batch.values, strict=True)


def _count_handed(member: KafkaMember, handing: Handing) -> None:
    """Count what is held without having been fetched."""
    hand = member.hand

    def counted(records: list[object]) -> None:
        before = sum(len(buffer.records) for buffer in member._buffers.values())
        hand(records)
        handing.handed += sum(len(buffer.records) for buffer in member._buffers.values()) - before

    member.hand = counted  # type: ignore[method-assign]


def _log(bus: KafkaBus) -> list[tuple[Position, bytes]]:
    """The topic as a reader of its own has it from the broker."""
    found: list[tuple[Position, bytes]] = []
    reader = bus.reader(OUT, 0)
    while batch := reader.poll(1_000):
        found += zip(batch.positions, batch.values, strict=True)
    return found


def test_what_was_committed_here_is_read_here_at_once(make_bus: MakeBus) -> None:
    bus = make_bus()
    bus.publish([Message("feedback", "k", b"x")])
    handing = Handing(bus)
    for number in range(20):
        handing.commit([b"%d a" % number, b"%d b" % number])
        handing.look()
        if number == 5:
            # Anybody may move a reader back.
            handing.reader, handing.seen = handing.behind.reader(OUT, 0, START), []
    wait_for(lambda: handing.look() or len(handing.seen) == 40)
    assert handing.seen == _log(bus)
    assert handing.handed >= 20
    assert wait_for(handing.behind.settled) is None


def test_others_between_are_not_passed_over(make_bus: MakeBus) -> None:
    bus, other = make_bus(), make_bus()
    bus.publish([Message("feedback", "k", b"x")])
    handing = Handing(bus)
    stop = threading.Event()

    def write() -> None:
        """Single records and transactions of another process, all the time."""
        number, at = 0, START
        while not stop.is_set():
            number += 1
            if number % 2:
                other.publish([Message(OUT, "k", b"other %d" % number)])
            else:
                to = Position(number, 0)
                outputs = [Message(OUT, "k", b"other %d" % number)] * 2
                other.commit("outsider", "tickets", 0, expected=at, position=to, outputs=outputs)
                at = to

    thread = threading.Thread(target=write)
    thread.start()
    try:
        until = time.monotonic() + 8
        number = 0
        while time.monotonic() < until:
            number += 1
            handing.commit([b"own %d" % number] * (1 + number % 3))
            handing.look()
    finally:
        stop.set()
        thread.join()
    log = _log(bus)
    wait_for(lambda: handing.look() or len(handing.seen) >= len(log))
    assert handing.seen == log
    assert sum(value.startswith(b"other") for _, value in log) > 5
