"""What every bus must do. A test class derives from BusConformance and says how its bus is made."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest

from rapport.bus.protocol import START, Bus, Message, Position, RecordBatch
from rapport.errors import BusFull, BusUnavailable, PositionMoved

MakeBus = Callable[..., Bus]


def messages(n: int, topic: str = "t", *, origin: str = "") -> list[Message]:
    return [Message(topic, f"c{i % 7}", b"%d" % i, origin) for i in range(n)]


def read_all(bus: Bus, topic: str, max_records: int = 100) -> list[RecordBatch]:
    """Everything that a topic holds, partition by partition."""
    batches = []
    for partition in range(bus.partitions(topic)):
        reader = bus.reader(topic, partition)
        while batch := reader.poll(max_records):
            batches.append(batch)
    return batches


def values(bus: Bus, topic: str) -> list[bytes]:
    return [value for batch in read_all(bus, topic) for value in batch.values]


class BusConformance:
    """`make_bus(partitions=, max_length=)` gives buses that share one store within a test."""

    counts_events = True
    """Whether a topic's limit and a reader's lag are of events rather than records."""

    @pytest.fixture
    def make_bus(self) -> MakeBus:
        raise NotImplementedError

    def test_what_is_published_is_read_once_in_order(self, make_bus: MakeBus) -> None:
        bus = make_bus()
        before = time.time_ns() // 1_000
        sent = [Message("t", "k", bytes([i % 256]) * (i % 50), "run" if i % 2 else "") for i in range(500)]
        bus.publish(sent[:200])
        bus.publish(sent[200:])
        reader, got = bus.reader("t", 0), []
        while batch := reader.poll(64):
            assert 1 <= len(batch) <= 64
            assert (batch.topic, batch.partition) == ("t", 0)
            got += list(zip(batch.positions, batch.keys, batch.values, batch.origins, batch.arrivals_us, strict=True))
        assert [(key, value, origin) for _, key, value, origin, _ in got] == [m[1:4] for m in sent]
        positions = [row[0] for row in got]
        assert positions == sorted(set(positions)) and positions[0] > START
        assert all(before - 1_000 <= row[4] <= time.time_ns() // 1_000 for row in got)

    def test_any_bytes_and_any_key(self, make_bus: MakeBus) -> None:
        bus = make_bus(partitions=3)
        sent = [Message("t", key, value) for key in ("", "é", "a:b", "\x00") for value in (b"", b"\xff\x00\r\n", b"{}")]
        bus.publish(sent)
        got = [(k, v) for batch in read_all(bus, "t") for k, v in zip(batch.keys, batch.values, strict=True)]
        assert sorted(got) == sorted((m.key, m.value) for m in sent)

    def test_polling_an_empty_partition_gives_none_and_new_records_follow(self, make_bus: MakeBus) -> None:
        bus = make_bus()
        readers = [bus.reader("t", 0), bus.reader("other", 0)]
        for round_ in range(3):
            assert all(reader.poll(10) is None for reader in readers)
            bus.publish([Message("t", "k", b"%d" % round_)])
            batch = readers[0].poll(10)
            assert batch is not None and batch.values == [b"%d" % round_]

    def test_a_reader_resumes_after_any_position(self, make_bus: MakeBus) -> None:
        bus = make_bus()
        bus.publish(messages(50))
        (whole,) = read_all(bus, "t")
        for i, position in enumerate(whole.positions[:-1]):
            rest = bus.reader("t", 0, position).poll(1_000)
            assert rest is not None and rest.values == whole.values[i + 1 :]
        assert bus.reader("t", 0, whole.positions[-1]).poll(10) is None

    def test_readers_do_not_disturb_each_other(self, make_bus: MakeBus) -> None:
        bus = make_bus(partitions=2)
        bus.publish(messages(300) + messages(300, "u"))
        rng = random.Random(3)
        readers = [bus.reader(topic, p) for topic in "tu" for p in range(2) for _ in range(2)]
        got: list[list[bytes]] = [[] for _ in readers]
        for _ in range(400):
            i = rng.randrange(len(readers))
            batch = readers[i].poll(rng.randint(1, 40))
            got[i] += batch.values if batch else []
        for i in range(0, len(readers), 2):
            assert got[i] == got[i + 1]
        assert sorted(got[0] + got[2]) == sorted(got[4] + got[6]) == sorted(m.value for m in messages(300))

    def test_a_key_has_one_partition_and_keeps_its_order(self, make_bus: MakeBus) -> None:
        bus = make_bus(partitions=4)
        bus.publish(messages(400))
        homes: dict[str, set[int]] = {}
        seen: dict[str, list[int]] = {}
        for batch in read_all(bus, "t"):
            for key, value in zip(batch.keys, batch.values, strict=True):
                homes.setdefault(key, set()).add(batch.partition)
                seen.setdefault(key, []).append(int(value))
        assert len(seen) == 7 and all(len(home) == 1 for home in homes.values())
        assert len(set().union(*homes.values())) > 1
        assert all(order == sorted(order) for order in seen.values())

    def test_a_full_partition_refuses_the_whole_call(self, make_bus: MakeBus) -> None:
        bus = make_bus(max_length=10)
        bus.publish(messages(8))
        with pytest.raises(BusFull, match="10"):
            bus.publish([*messages(2, "free"), *messages(3)])
        assert len(values(bus, "t")) == 8 and values(bus, "free") == []
        bus.publish(messages(2))
        assert len(values(bus, "t")) == 10

    def test_a_call_larger_than_the_room_publishes_nothing(self, make_bus: MakeBus) -> None:
        bus = make_bus(max_length=7_000)
        with pytest.raises(BusFull):
            bus.publish(messages(7_001))
        assert values(bus, "t") == []
        bus.publish(messages(7_000))
        assert values(bus, "t") == [b"%d" % i for i in range(7_000)]

    def test_commit_moves_position_outputs_and_counts_together(self, make_bus: MakeBus) -> None:
        bus = make_bus()
        assert bus.position("g", "t", 0) == START
        bus.commit(
            "g", "t", 0, expected=START, position=Position(5, 1), outputs=messages(3, "out"), counts={"a:x": 3, "b": 1}
        )
        bus.commit("g", "t", 0, expected=Position(5, 1), position=Position(6, 0), counts={"a:x": 2})
        assert bus.position("g", "t", 0) == Position(6, 0)
        assert values(bus, "out") == [b"0", b"1", b"2"]
        assert bus.counts() == {"a:x": 5, "b": 1} and bus.counts("a:") == {"a:x": 5}

    def test_positions_of_groups_topics_and_partitions_are_apart(self, make_bus: MakeBus) -> None:
        bus = make_bus(partitions=2)
        bus.commit("g", "t", 0, expected=START, position=Position(1, 0))
        others = [("h", "t", 0), ("g", "u", 0), ("g", "t", 1)]
        assert [bus.position(*other) for other in others] == [START] * 3

    def test_a_refused_commit_leaves_no_trace(self, make_bus: MakeBus) -> None:
        bus = make_bus(max_length=5)
        bus.commit("g", "t", 0, expected=START, position=Position(9, 0))
        for expected in (START, Position(8, 0), Position(9, 1)):
            with pytest.raises(PositionMoved):
                bus.commit(
                    "g", "t", 0, expected=expected, position=Position(10, 0), outputs=messages(1), counts={"n": 1}
                )
        with pytest.raises(BusFull):
            bus.commit(
                "g", "t", 0, expected=Position(9, 0), position=Position(10, 0), outputs=messages(6), counts={"n": 1}
            )
        assert bus.position("g", "t", 0) == Position(9, 0)
        assert bus.counts() == {} and values(bus, "t") == []

    def test_workers_on_one_partition_give_each_output_once(self, make_bus: MakeBus) -> None:
        """Four workers copy t to out; each drops what it holds at any moment, as a crash does."""
        make_bus().publish(messages(300))

        def work(seed: int) -> int:
            rng, bus, moved = random.Random(seed), make_bus(), 0
            while True:
                at = bus.position("copy", "t", 0)
                batch = bus.reader("t", 0, at).poll(rng.randint(1, 30))
                if batch is None:
                    return moved
                if rng.random() < 0.2:
                    continue
                outputs = [Message("out", k, v) for k, v in zip(batch.keys, batch.values, strict=True)]
                try:
                    bus.commit(
                        "copy",
                        "t",
                        0,
                        expected=at,
                        position=batch.positions[-1],
                        outputs=outputs,
                        counts={"n": len(outputs)},
                    )
                except (PositionMoved, BusUnavailable):
                    # Whether it was done is seen where the position is.
                    moved += 1

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        bus = make_bus()
        assert values(bus, "out") == [b"%d" % i for i in range(300)]
        assert bus.counts() == {"n": 300}

    def test_lag_and_trim(self, make_bus: MakeBus) -> None:
        bus = make_bus()
        assert bus.reader("t", 0).lag() == 0
        bus.publish(messages(100))
        (whole,) = read_all(bus, "t")
        for i in (0, 1, 50, 98, 99):
            assert bus.reader("t", 0, whole.positions[i]).lag() == 99 - i
        reader = bus.reader("t", 0)
        reader.poll(30)
        assert reader.lag() == 70
        assert bus.trim("t", 0, whole.positions[40]) == 40
        assert bus.trim("t", 0, whole.positions[40]) == 0
        assert values(bus, "t") == whole.values[40:]
        assert bus.reader("t", 0, whole.positions[40]).lag() == 59
        bus.publish([Message("t", "k", b"new")])
        assert values(bus, "t")[-1] == b"new" and read_all(bus, "t")[-1].positions[-1] > whole.positions[-1]

    def test_records_go_to_the_partition_that_they_are_told(self, make_bus: MakeBus) -> None:
        bus = make_bus(partitions=2)
        outputs = [Message("blocks", key, b"%d" % at, partition=1, events=9) for at, key in enumerate("abcdef")]
        bus.publish(outputs[:3])
        bus.commit("g", "t", 0, expected=START, position=Position(1, 0), outputs=outputs[3:])
        assert bus.reader("blocks", 0).poll(10) is None
        assert values(bus, "blocks") == [message.value for message in outputs]

    def test_records_of_many_events_are_counted_by_events(self, make_bus: MakeBus) -> None:
        if not self.counts_events:
            pytest.skip("this bus counts records, however many events they hold")
        bus = make_bus(partitions=2, max_length=100)
        sizes = [30, 1, 40, 20]
        for at, events in enumerate(sizes):
            outputs = [Message("blocks", "", b"%d" % at, partition=1, events=events)]
            bus.commit("g", "t", 0, expected=Position(at, 0), position=Position(at + 1, 0), outputs=outputs)
        assert bus.reader("blocks", 0).poll(10) is None
        whole = bus.reader("blocks", 1).poll(10)
        assert whole is not None and whole.values == [b"0", b"1", b"2", b"3"]
        his = [position.hi for position in whole.positions]
        assert [after - before for before, after in pairwise(his)] == sizes[1:] and not any(
            p.lo for p in whole.positions
        )
        assert [bus.reader("blocks", 1, at).lag() for at in (START, *whole.positions)] == [91, 61, 60, 20, 0]
        with pytest.raises(BusFull):
            bus.publish([Message("blocks", "", b"4", partition=1, events=10)])
        bus.trim("blocks", 1, whole.positions[1])
        bus.publish([Message("blocks", "", b"4", partition=1, events=10)])
        rest = bus.reader("blocks", 1, whole.positions[1]).poll(10)
        assert rest is not None and rest.values == [b"2", b"3", b"4"] and rest.positions[2].hi == his[3] + 10

    def test_random_steps_agree_with_a_list(self, make_bus: MakeBus) -> None:
        rng, bus = random.Random(11), make_bus(max_length=60)
        held: list[bytes] = []
        reader: Any = bus.reader("t", 0)
        read, n = 0, 0
        for _ in range(300):
            step = rng.choice(["publish", "poll"])
            if step == "publish":
                new = [b"%d" % (n + i) for i in range(rng.randint(1, 9))]
                try:
                    bus.publish([Message("t", "k", value) for value in new])
                except BusFull:
                    assert len(held) + len(new) > 60
                else:
                    held += new
                    n += len(new)
            else:
                batch = reader.poll(rng.randint(1, 12))
                got = batch.values if batch else []
                assert got == held[read : read + len(got)] and (got or read == len(held))
                read += len(got)
                last = batch.positions[-1] if batch else START
                if got and rng.random() < 0.5:
                    assert bus.trim("t", 0, last) == read - 1
                    held, read = held[read - 1 :], 1
            assert reader.lag() == len(held) - read
