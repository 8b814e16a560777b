"""Dead letters: listed, counted, shown, retried once whoever asks, dropped, freed; kept as the position moves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from given import feedback, message, values
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.runtime import make_runtime
from rapport.bus import START, Bus, Message, Position, RecordBatch
from rapport.bus.kafka import KafkaBus
from rapport.bus.redis_streams import RedisStreamsBus
from rapport.dead_letters import (
    DEAD_LETTERS,
    RETRY_ORIGIN,
    DeadLetter,
    LetterFilter,
    belongs_to,
    count_letters,
    drop_letters,
    erase_customer,
    expire_letters,
    letter_message,
    list_letters,
    retry_letters,
    show_letter,
    with_fields,
)
from rapport.errors import BusError, BusFull, EventError
from rapport.settings import load_settings
from rapport.testing.bus import MemoryBus
from tests.flows.running import run_ingest


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


def letter_ids(bus: Bus) -> list[str]:
    return sorted(str(msgspec.json.decode(stored.letter.raw)["event_id"]) for stored in list_letters(bus, limit=999))


def test_letters_say_what_they_were_checked_against(bus: Bus) -> None:
    refuse(bus, 1)
    batch = RecordBatch("feedback", 1, [Position(5, 0)], ["c"], [b"\x00\x00\x00\x00\x07\x02ab"], [""], [9])
    bus.publish([letter_message(batch, 0, EventError("bad_value", "csat", "6 is refused"))])
    bus.publish([letter_message(batch, 0, EventError("bad_value", "csat", "6 is refused"), "registry:8 (Feedback)")])
    found = [stored.letter for stored in list_letters(bus)]
    assert sorted(letter.schema for letter in found) == ["Feedback/1", "registry:7", "registry:8 (Feedback)"]
    assert {(letter.partition, *letter.position) for letter in found} == {(0, 1, 0), (1, 5, 0)}


def test_a_letter_from_before_schemas_were_kept_is_read(bus: Bus) -> None:
    refuse(bus, 1)
    (stored,) = list_letters(bus)
    old = msgspec.to_builtins(stored.letter)
    del old["schema"], old["headers"], old["customers"]
    bus.publish([Message(DEAD_LETTERS, "c0", msgspec.json.encode(old))])
    assert {one.letter.schema for one in list_letters(bus)} == {"", "Feedback/1"}


@pytest.mark.parametrize(
    ("key", "raw", "his"),
    [
        ("17", b"{", True),
        ("", b'{"customer_id": "17"}', True),
        ("", b'{"customer": {"id": 17}}', True),
        ("", b'[{"who": ["17"]}]', True),
        ("", b'{"customer_id": "\\u0031\\u0037"}', True),
        ("", b'{"customer_id": "17", cut off', True),
        ("", b"\x00\x00\x00\x00\x07\x0417\x02", True),
        ("", b"\x00\x00\x00\x00\x07\x0a\x0217\x02", True),
        ("", b'{"customer_id": "175", "quantity": 170}', False),
        ("", b'{"customer_id": "a-17", cut off', False),
        ("", b'{"text": "17 parcels", "ok": true}', False),
        ("", b"\x00\x00\x00\x00\x07\x06175\x02", False),
        ("170", b"", False),
    ],
)
def test_whose_letter_it_is(key: str, raw: bytes, his: bool) -> None:
    batch = RecordBatch("feedback", 0, [Position(1, 0)], [key], [raw], [""], [7])
    letter = msgspec.json.decode(letter_message(batch, 0, EventError("bad_json", "", "")).value, type=DeadLetter)
    assert belongs_to(letter, "17") is his


def test_letters_that_are_too_old_go(bus: Bus) -> None:
    for arrival_us in (5, 7, 20, 6):
        batch = RecordBatch("feedback", 0, [Position(1, 0)], ["c"], [feedback(f"f{arrival_us}")], [""], [arrival_us])
        bus.publish([letter_message(batch, 0, EventError("bad_value", "csat", ""))])
    retry_letters(bus, [one for one in list_letters(bus) if one.letter.arrival_us == 7])
    assert expire_letters(bus, 5) == 0
    assert expire_letters(bus, 7) == 2
    # What had been sent again is not kept for the sake of others, and what waits is.
    assert letter_ids(bus) == ["f20"] and len(list_letters(bus, LetterFilter(state=None))) == 1
    assert expire_letters(bus, 21) == 1
    assert values(bus, DEAD_LETTERS) == [] and values(bus, "dead_letters.marks") == []


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["refuse", "retry", "drop", "erase", "expire"]), st.integers(0, 7)), max_size=12
    )
)
def test_any_order_of_doings(steps: list[tuple[str, int]]) -> None:
    bus, model, sent, number = MemoryBus(partitions=2), dict[str, tuple[str, int]](), list[str](), 0
    for step, n in steps:
        wanted = [stored for stored in list_letters(bus) if stored.letter.key == f"c{n % 3}"]
        mine = [event_id for event_id, (key, _) in model.items() if key == f"c{n % 3}"]
        if step == "refuse":
            for _ in range(n):
                number += 1
                key = f"c{number % 3}"
                batch = RecordBatch(
                    "feedback", 0, [Position(1, 0)], [key], [feedback(f"f{number}", key)], [""], [number]
                )
                bus.publish([letter_message(batch, 0, EventError("bad_value", "csat", ""))])
                model[f"f{number}"] = (key, number)
        elif step == "retry":
            assert retry_letters(bus, wanted) == len(mine)
            sent += mine
        elif step == "drop":
            assert drop_letters(bus, wanted) == len(mine)
        elif step == "erase":
            assert erase_customer(bus, f"c{n % 3}") >= len(mine)
            assert not [raw for raw in values(bus, DEAD_LETTERS) if f'"key":"c{n % 3}"'.encode() in raw]
        else:
            mine = [event_id for event_id, (_, arrival_us) in model.items() if arrival_us < n]
            assert expire_letters(bus, n) >= len(mine)
        if step != "refuse":
            for event_id in mine:
                del model[event_id]
        assert letter_ids(bus) == sorted(model)
    assert sorted(msgspec.json.decode(raw)["event_id"] for raw in values(bus, "feedback")) == sorted(sent)


def test_mending_leaves_everything_else_as_it_was() -> None:
    raw = b'{ "amount": 12345678901234.123456, "currency": "euro", "lines": [{"each": 1.10}, {"each": 2}] }'
    mended = with_fields(raw, {"currency": "EUR", "lines.1.each": "2.50", "note": '"3"', "quantity": "3"}, ["lines.0"])
    assert mended == (
        b'{"amount":12345678901234.123456,"currency":"EUR","lines":[{"each":2.50}],"note":"3","quantity":3}'
    )
    for path in ("lines.7.each", "lines.x.each", "none.inner", "amount.inner"):
        with pytest.raises(EventError):
            with_fields(raw, {path: "1"})
    with pytest.raises(EventError, match="none"):
        with_fields(raw, {}, ["none"])
    with pytest.raises(EventError, match="not JSON"):
        with_fields(b"{", {"a": "1"})


_DIE_AT_COMMIT = """
import os, signal, sys
from bytewax.dataflow import Dataflow
from bytewax.testing import run_main
from flows.ingest import ingest
from flows.runtime import make_runtime
from rapport.settings import load_settings

runtime = make_runtime(load_settings())
commit_all = runtime.bus.commit_all

def commit_and_die(*given, **named):
    if sys.argv[1] == "after":
        assert commit_all(*given, **named) == [None]
    os.kill(os.getpid(), signal.SIGKILL)

runtime.bus.commit_all = commit_and_die
flow = Dataflow("ingest")
ingest(flow, runtime, drain=True)
run_main(flow)
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_around_the_commit_letters_and_position_are_one(environment: dict[str, str], when: str) -> None:
    runtime = make_runtime(load_settings(environment))
    runtime.bus.publish([message(f"e{i}", f"c{i % 5}", csat=9 if i % 2 else 3) for i in range(200)])
    argv = [sys.executable, "-c", _DIE_AT_COMMIT, when]
    died = subprocess.run(argv, env=os.environ | environment, cwd=Path(__file__).parents[2], check=False)
    assert died.returncode == -signal.SIGKILL
    delivered = len(list_letters(runtime.bus, limit=999))
    reached = runtime.bus.position("ingest", "feedback", 0)
    assert (delivered > 0, reached > START) == (when == "after", when == "after")
    if isinstance(runtime.bus, KafkaBus):
        # The batch is what had been fetched by then; its offsets say how much.
        assert delivered == reached.hi // 2
    elif when == "after":
        assert delivered == 100
    run_ingest(runtime)
    assert letter_ids(runtime.bus) == sorted(f"e{i}" for i in range(1, 200, 2))
    assert runtime.bus.counts() == {"accepted:feedback": 100, "dead:bad_value": 100}
    runtime.bus.close()  # type: ignore[attr-defined]
