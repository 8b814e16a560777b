"""The check of a batch, as a function: every record becomes a row or a dead letter, and is counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from given import feedback
from hypothesis import given
from hypothesis import strategies as st

from flows.check import Checked, check
from rapport.bus import Position, RecordBatch
from rapport.bus.keys import partition_of
from rapport.dead_letters import DEAD_LETTERS
from rapport.events.block import read_blocks


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


def test_arrival_is_the_worlds_time() -> None:
    batch = batch_of([feedback("e1", event_time="2011-01-01T00:00:00Z")])
    checked = check(batch, 1, lambda system_us: system_us - 500_000_000_000_000, Memory())
    assert checked.counts == {"accepted:feedback": 1}
    early = check(batch, 1, lambda _: 1_293_840_000_000_000 - 300_000_001, Memory())
    assert early.counts == {"dead:future_event": 1}
