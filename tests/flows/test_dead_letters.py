"""Dead letters: listed, counted, shown, retried once whoever asks, dropped, freed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from given import feedback, values

from rapport.bus import Bus, Message, Position, RecordBatch
from rapport.bus.redis_streams import RedisStreamsBus
from rapport.dead_letters import (
    DEAD_LETTERS,
    RETRY_ORIGIN,
    LetterFilter,
    count_letters,
    drop_letters,
    letter_message,
    list_letters,
    retry_letters,
    show_letter,
)
from rapport.errors import BusError, BusFull, EventError
from rapport.testing.bus import MemoryBus


@pytest.fixture(params=["memory", "redis"])
def bus(request: pytest.FixtureRequest, redis_url: str, tmp_path: Path) -> Iterator[Bus]:
    if request.param == "memory":
        yield MemoryBus(partitions=2, max_length=1_000)
        return
    made = RedisStreamsBus(redis_url, partitions=2, max_length=1_000)
    yield made
    made.close()


def refuse(bus: Bus, n: int, *, topic: str = "feedback", reason: str = "bad_value") -> None:
    raws = [feedback(f"{topic}{i}") for i in range(n)]
    batch = RecordBatch(
        topic, 0, [Position(i + 1, 0) for i in range(n)], [f"c{i}" for i in range(n)], raws, ["run"] * n, [7] * n
    )
    bus.publish([letter_message(batch, i, EventError(reason, "csat", "6 is refused")) for i in range(n)])  # fmt: skip


def test_letters_are_listed_counted_and_shown(bus: Bus) -> None:
    assert list_letters(bus) == [] and count_letters(bus) == {}
    refuse(bus, 5)
    refuse(bus, 3, topic="chat_messages", reason="bad_json")
    assert count_letters(bus) == {"bad_json": 3, "bad_value": 5}
    assert count_letters(bus, LetterFilter(topic="feedback")) == {"bad_value": 5}
    assert len(list_letters(bus)) == 8 and len(list_letters(bus, limit=2)) == 2
    assert {stored.letter.topic for stored in list_letters(bus, LetterFilter(reason="bad_json"))} == {"chat_messages"}
    for stored in list_letters(bus, LetterFilter(topic="feedback")):
        assert show_letter(bus, stored.id) == stored
        assert stored.letter.raw.startswith(b'{"event_id":"feedback') and stored.letter.detail == "6 is refused"


@pytest.mark.parametrize("letter_id", ["0:1-0", "99:1-0", "x", "0:99999999999999-0"])
def test_a_letter_that_is_not_there(bus: Bus, letter_id: str) -> None:
    refuse(bus, 1)
    if letter_id not in {stored.id for stored in list_letters(bus)}:
        with pytest.raises(BusError, match="letter"):
            show_letter(bus, letter_id)


def test_a_retry_sends_the_original_bytes_once(bus: Bus) -> None:
    refuse(bus, 6)
    some = list_letters(bus, limit=4)
    assert retry_letters(bus, some) == 4
    assert retry_letters(bus, some) == 0
    assert sorted(values(bus, "feedback")) == sorted(stored.letter.raw for stored in some)
    assert count_letters(bus) == {"bad_value": 2}
    assert show_letter(bus, some[0].id).state == "retried"
    assert (
        len(list_letters(bus, LetterFilter(state="retried"))) == 4
        and len(list_letters(bus, LetterFilter(state=None))) == 6
    )
    origins = [o for part in range(2) if (b := bus.reader("feedback", part).poll(99)) for o in b.origins]
    assert set(origins) == {RETRY_ORIGIN}


def test_several_people_retry_each_letter_once(bus: Bus) -> None:
    refuse(bus, 30)
    every = list_letters(bus)
    with ThreadPoolExecutor(4) as pool:
        sent = list(pool.map(lambda i: retry_letters(bus, every[i::2] + every[:5]), range(4)))
    assert sum(sent) == 30 and len(values(bus, "feedback")) == 30


def test_dropped_letters_are_freed_oldest_first(bus: Bus) -> None:
    refuse(bus, 10)
    every = list_letters(bus)
    retry_letters(bus, every[:1])
    assert drop_letters(bus, every[1:9]) == 8
    assert drop_letters(bus, every[1:9]) == 0
    assert len(list_letters(bus)) == 1 and len(list_letters(bus, LetterFilter(state=None))) == 2
    assert drop_letters(bus, every) == 2
    assert values(bus, DEAD_LETTERS) == [] and values(bus, "dead_letters.marks") == []
    refuse(bus, 1)
    assert count_letters(bus) == {"bad_value": 1}


def test_a_retry_into_a_full_topic_changes_nothing(bus: Bus) -> None:
    bus.publish([Message("feedback", f"c{i % 50}", b"x") for i in range(1_000)])
    for i in range(2_000):
        try:
            bus.publish([Message("feedback", f"c{i}", b"x")])
        except BusFull:
            break
    refuse(bus, 50)
    with pytest.raises(BusFull):
        for _ in range(100):
            bus.publish([Message("feedback", f"c{i}", b"x") for i in range(50)])
    with pytest.raises(BusFull):
        retry_letters(bus, list_letters(bus))
    assert count_letters(bus) == {"bad_value": 50}
