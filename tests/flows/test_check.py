"""The check of a batch, as a function: every record becomes a row or a dead letter, and is counted."""

from __future__ import annotations

from collections.abc import Sequence

from given import feedback
from hypothesis import given
from hypothesis import strategies as st

from flows.check import check
from rapport.bus import Position, RecordBatch
from rapport.dead_letters import DEAD_LETTERS


def batch_of(values: Sequence[bytes], *, origin: str = "", first: int = 1) -> RecordBatch:
    n = len(values)
    positions = [Position(first + i, 0) for i in range(n)]
    return RecordBatch("feedback", 0, positions, ["k"] * n, list(values), [origin] * n, [1_800_000_000_000_000] * n)


class Memory:
    """flows.check.Claim on a dict."""

    def __init__(self) -> None:
        self.places: dict[str, str] = {}

    def __call__(
        self, topic: str, partition: int, event_ids: Sequence[str], places: Sequence[str], arrivals_us: Sequence[int]
    ) -> list[bool]:
        return [self.places.setdefault(e, place) == place for e, place in zip(event_ids, places, strict=True)]


def identity(system_us: int) -> int:
    return system_us


GOOD = st.integers(0, 5).map(lambda i: feedback(f"e{i}"))
ANY = st.one_of(GOOD, st.binary(max_size=30), st.just(feedback("late", event_time="2099-01-01T00:00:00Z")))


@given(st.lists(ANY, max_size=30), st.integers(1, 7))
def test_accepted_and_dead_are_what_was_given_however_it_is_split_and_repeated(values: list[bytes], size: int) -> None:
    whole = check(batch_of(values, origin="run"), identity, Memory())
    assert len(whole.outputs) == len(values)
    plain = sum(n for name, n in whole.counts.items() if not name.startswith("origin:"))
    of_origin = sum(n for name, n in whole.counts.items() if name.startswith("origin:run:"))
    assert plain == of_origin == len(values)
    accepted = [m for m in whole.outputs if m.topic == "feedback.checked"]
    assert len(accepted) == len({v for v in values if v.startswith(b'{"event_id":"e')})
    memory, pieces = Memory(), []
    for at in range(0, len(values), size):
        batch = batch_of(values[at : at + size], origin="run", first=at + 1)
        check(batch, identity, memory)
        # A crash before the commit: the same records again.
        pieces += check(batch, identity, memory).outputs
    assert pieces == whole.outputs


def test_outputs_carry_key_and_origin_on() -> None:
    good, bad = check(batch_of([feedback("e1", "anna"), b"{"], origin="run"), identity, Memory()).outputs
    assert (good.topic, good.key, good.origin) == ("feedback.checked", "anna", "run")
    assert (bad.topic, bad.key, bad.origin) == (DEAD_LETTERS, "k", "run")


def test_arrival_is_the_worlds_time() -> None:
    batch = batch_of([feedback("e1", event_time="2011-01-01T00:00:00Z")])
    checked = check(batch, lambda system_us: system_us - 500_000_000_000_000, Memory())
    assert checked.counts == {"accepted:feedback": 1}
    early = check(batch, lambda _: 1_293_840_000_000_000 - 300_000_001, Memory())
    assert early.counts == {"dead:future_event": 1}
