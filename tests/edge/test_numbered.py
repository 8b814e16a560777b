"""Numbered batches on a bus: each once, whenever it comes again and whatever came between."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from rapport.bus.kafka import KafkaBus
from rapport.bus.kafka_link import KafkaLink
from rapport.bus.protocol import START, Bus, Message
from rapport.bus.redis_streams import RedisStreamsBus
from rapport.intake.numbered import BatchNumber, publish_once
from rapport.intake.refusal import Refusal
from rapport.testing.bus import MemoryBus

SENDER = "0123456789abcdef" * 2


@pytest.fixture(params=["memory", "redis", "kafka"])
def bus(request: pytest.FixtureRequest) -> Iterator[Bus]:
    if request.param == "memory":
        yield MemoryBus()
    elif request.param == "redis":
        yield RedisStreamsBus(request.getfixturevalue("redis_url"))
    else:
        link = KafkaLink(request.getfixturevalue("kafka_servers"), request.getfixturevalue("kafka_prefix"))
        made = KafkaBus(link)
        yield made
        made.close()


def batch(number: int, text: str = "", sender: str = SENDER) -> BatchNumber:
    return BatchNumber(sender, number, (text or f"batch {number}").encode())


def given(bus: Bus, number: int, text: str = "", sender: str = SENDER) -> bool:
    content = (text or f"batch {number}").encode()
    return publish_once(bus, batch(number, text, sender), [Message("feedback", "c", content)])


def values(bus: Bus) -> list[bytes]:
    reader = bus.reader("feedback", 0, START)
    for _ in range(100):
        if found := reader.poll(1_000):
            return found.values
        bus.wait(0.1)
    return []


def test_a_batch_that_comes_again_is_there_once(bus: Bus) -> None:
    assert given(bus, 1) and not given(bus, 1)
    assert given(bus, 7) and not given(bus, 7)
    assert given(bus, 1, sender="f" * 32)
    assert values(bus) == [b"batch 1", b"batch 7", b"batch 1"]
    for number, text in ((7, "another"), (6, ""), (1, "")):
        with pytest.raises(Refusal) as refused:
            given(bus, number, text)
        assert refused.value.status == 409
    assert given(bus, 2**31 - 1)


def test_given_many_times_at_once_it_is_there_once(bus: Bus) -> None:
    gate, outcomes = threading.Barrier(6), []

    def give() -> None:
        gate.wait()
        outcomes.append(given(bus, 3))

    threads = [threading.Thread(target=give) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [False] * 5 + [True] and values(bus) == [b"batch 3"]


@pytest.mark.parametrize(
    "headers",
    [
        {"rapport-sender": SENDER},
        {"rapport-batch": "1"},
        {"rapport-sender": SENDER[1:], "rapport-batch": "1"},
        {"rapport-sender": SENDER, "rapport-batch": "0"},
        {"rapport-sender": SENDER, "rapport-batch": "2147483648"},
        {"rapport-sender": SENDER, "rapport-batch": "-1"},
    ],
)
def test_wrong_headers_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(Refusal) as refused:
        BatchNumber.of(headers, b"")
    assert refused.value.status == 400
    assert BatchNumber.of({}, b"") is None
