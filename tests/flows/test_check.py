"""The check of a batch, as a function: every record becomes a row or a dead letter, and is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from given import feedback
from hypothesis import given
from hypothesis import strategies as st

from flows.check import Checked, check
from rapport.bus import Position, RecordBatch
from rapport.bus.keys import partition_of
from rapport.bus.placed import place_of
from rapport.dead_letters import DEAD_LETTERS
from rapport.events.block import places_of_rows, read_blocks
from rapport.events.decode import decode


def batch_of(values: Sequence[bytes], *, origin: str = "", first: int = 1) -> RecordBatch:
    n = len(values)
    positions = [Position(first + i, 0) for i in range(n)]
    return RecordBatch("feedback", 0, positions, ["k"] * n, list(values), [origin] * n, [1_800_000_000_000_000] * n)


class Memory:
    """flows.check.Claim on a dict."""

    def __init__(self) -> None:
        self.places: dict[str, Position] = {}

    def __call__(
        self,
        topic: str,
        partition: int,
        event_ids: Sequence[str],
        places: Sequence[Position],
        arrivals_us: Sequence[int],
    ) -> list[bool]:
        return [self.places.setdefault(e, place) == place for e, place in zip(event_ids, places, strict=True)]


def rows_of(checked: Checked) -> list[dict[str, Any]]:
    blocks = [message.value for message in checked.outputs if message.topic == "feedback.checked"]
    return [row for block in read_blocks("feedback", blocks) for row in block.to_pylist()]


def identity(system_us: int) -> int:
    return system_us


GOOD = st.integers(0, 5).map(lambda i: feedback(f"e{i}"))
ANY = st.one_of(GOOD, st.binary(max_size=30), st.just(feedback("late", event_time="2099-01-01T00:00:00Z")))


@given(st.lists(ANY, max_size=30), st.integers(1, 7))
def test_accepted_and_dead_are_what_was_given_however_it_is_split_and_repeated(values: list[bytes], size: int) -> None:
    whole = check(batch_of(values, origin="run"), 1, identity, Memory())
    accepted = rows_of(whole)
    assert len(accepted) + sum(message.topic == DEAD_LETTERS for message in whole.outputs) == len(values)
    plain = sum(n for name, n in whole.counts.items() if not name.startswith("origin:"))
    of_origin = sum(n for name, n in whole.counts.items() if name.startswith("origin:run:"))
    assert plain == of_origin == len(values)
    assert len(accepted) == len({v for v in values if v.startswith(b'{"event_id":"e')})
    memory, rows, letters = Memory(), [], []
    for at in range(0, len(values), size):
        batch = batch_of(values[at : at + size], origin="run", first=at + 1)
        check(batch, 1, identity, memory)
        # A crash before the commit: the same records again.
        again = check(batch, 1, identity, memory)
        rows += rows_of(again)
        letters += [message for message in again.outputs if message.topic == DEAD_LETTERS]
    assert rows == accepted and letters == [message for message in whole.outputs if message.topic == DEAD_LETTERS]


def test_letters_carry_key_and_origin_on() -> None:
    good, bad = check(batch_of([feedback("e1", "anna"), b"{"], origin="run"), 1, identity, Memory()).outputs
    assert (good.topic, good.partition, good.events) == ("feedback.checked", 0, 1)
    assert (bad.topic, bad.key, bad.origin) == (DEAD_LETTERS, "k", "run")


def test_events_go_to_the_partitions_of_their_customers() -> None:
    people = [f"c{i}" for i in range(50)]
    outputs = check(batch_of([feedback(f"e{who}", who) for who in people]), 7, identity, Memory()).outputs
    found = {
        message.partition: [row["customer_id"] for row in read_blocks("feedback", [message.value])[0].to_pylist()]
        for message in outputs
    }
    assert len(found) == len(outputs) == 7
    assert found == {part: [who for who in people if partition_of(who, 7) == part] for part in range(7)}


PEOPLE = st.tuples(st.integers(0, 9), st.sampled_from(["anna", "ben", "cleo", "dora"])).map(
    lambda one: feedback(f"e{one[0]} {one[1]}", one[1])
)


@given(st.lists(st.one_of(PEOPLE, ANY), min_size=1, max_size=30), st.integers(0, 3), st.integers(0, 2))
def test_rows_say_the_places_of_their_records_and_other_partitions_events_are_passed_on(
    values: list[bytes], first: int, turn: int
) -> None:
    partitions, memory = 2, Memory()
    batch = batch_of(values, origin="run", first=first)
    batch.positions[:] = [position._replace(lo=turn) for position in batch.positions]
    here = check(batch, partitions, identity, memory, placed=True)
    blocks = [message for message in here.outputs if message.topic == "feedback.checked"]
    passed_on = [message for message in here.outputs if message.topic == "feedback"]
    rows = rows_of(here)
    assert {partition_of(row["customer_id"], partitions) for row in rows} <= {0}
    assert {message.partition for message in blocks} <= {0} and {message.partition for message in passed_on} <= {1}
    # A row's place is that of its record, and what is read next comes behind the last block.
    positions = [Position(message.place, 9) for message in blocks]
    places, los = places_of_rows(positions, [message.value for message in blocks])
    record = {place_of(position): value for position, value in zip(batch.positions, values, strict=True)}
    assert [decode("feedback", record[place]).event_id for place in places.tolist()] == [
        row["event_id"] for row in rows
    ]
    assert not los.any() and (not blocks or blocks[-1].place == place_of(batch.positions[-1]))
    assert all(
        message.place >= places_of_rows([positions[i]], [message.value])[0][-1] for i, message in enumerate(blocks)
    )
    there = RecordBatch(
        "feedback", 1, [Position(i + 1, 0) for i in range(len(passed_on))], [one.key for one in passed_on],
        [one.value for one in passed_on], [one.origin for one in passed_on], [1_800_000_000_000_000] * len(passed_on),
    )  # fmt: skip
    rest = check(there, partitions, identity, memory, placed=True)
    assert not any(message.topic == "feedback" for message in rest.outputs)
    whole = check(batch, partitions, identity, Memory())
    assert sorted(rows + rows_of(rest), key=str) == sorted(rows_of(whole), key=str)
    assert Counter(here.counts) + Counter(rest.counts) == Counter(whole.counts)


def test_arrival_is_the_worlds_time() -> None:
    batch = batch_of([feedback("e1", event_time="2011-01-01T00:00:00Z")])
    checked = check(batch, 1, lambda system_us: system_us - 500_000_000_000_000, Memory())
    assert checked.counts == {"accepted:feedback": 1}
    early = check(batch, 1, lambda _: 1_293_840_000_000_000 - 300_000_001, Memory())
    assert early.counts == {"dead:future_event": 1}
