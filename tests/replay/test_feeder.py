"""Order, pace, waiting for a full bus, the world's clock, windows of time, and the account."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport.clock import WorldClock
from rapport.errors import MappingError
from rapport.replay import Machine, Progress, ReplayOptions, TimeWindow, outcome, replay
from rapport.replay.sorting import TimeSorter
from rapport.replay.translate import MappedEvent

from .conftest import SHOP, Desk, KeepingBus

SECONDS = SHOP.replace("column: when}", "column: when, format: seconds}")
HEAD = "when,who,order,paid\n"


def rows(*seconds: int) -> str:
    return HEAD + "".join(f"{second},a,o{second},1\n" for second in seconds)


@dataclass
class SlowMachine:
    """Time that passes only in sleep."""

    now: int = 5_000_000_000
    slept: list[float] = field(default_factory=list)

    def machine(self) -> Machine:
        return Machine(lambda: self.now, self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += max(1, round(seconds * 1e6))


@given(st.lists(st.integers(0, 20), max_size=60), st.integers(1, 10))
def test_sorting_in_runs_is_a_stable_sort(times: list[int], run: int) -> None:
    events = [MappedEvent(time, "t", str(i), b"v") for i, time in enumerate(times)]
    with TimeSorter(run) as sorter:
        for event in events:
            sorter.add([event])
        assert len(sorter) == len(events)
        assert list(sorter) == sorted(events, key=lambda event: event.time_us)


@pytest.mark.parametrize("run_events", [100, 1_000_000])
def test_an_unsorted_file_is_given_in_order_of_time(run_events: int, desk: Desk) -> None:
    seconds = random.Random(3).sample(range(1_000_000), 12_000)
    bus, _ = desk.replay(rows(*seconds), SECONDS, options=ReplayOptions(run_events=run_events))
    assert [e["order_id"] for e in bus.events] == [f"o{second}" for second in sorted(seconds)]


def test_a_file_called_sorted_is_not_held_back_and_disorder_is_counted(desk: Desk) -> None:
    bus, report = desk.replay(rows(1, 2, 3), SECONDS + "sorted: true\n")
    assert report.out_of_order == 0
    text = HEAD + "".join(f"{10_000 - i // 5_000},a,o,1\n" for i in range(10_000))
    bus, report = desk.replay(text, SECONDS + "sorted: true\n")
    assert len(bus.events) == 10_000
    assert report.out_of_order > 0


def test_a_full_bus_is_waited_for(desk: Desk) -> None:
    slow, bus = SlowMachine(), KeepingBus(full=3)
    report = replay(bus, desk.file(rows(1, 2)), desk.mapping(SECONDS), machine=slow.machine())
    assert (report.published, len(bus.events), bus.calls) == (2, 2, 4)
    assert len(slow.slept) == 3


def test_scaled_speed_gives_events_when_they_are_due(desk: Desk) -> None:
    slow = SlowMachine()
    started = slow.now
    seen: list[int] = []

    class TimedBus(KeepingBus):
        def publish(self, messages: object) -> None:
            seen.append(slow.now - started)

    options = ReplayOptions(speed=10.0, clock="follow")
    clocks: list[WorldClock] = []
    replay(
        TimedBus(),
        desk.file(rows(100, 110, 110, 140)),
        desk.mapping(SECONDS),
        options,
        set_clock=clocks.append,
        machine=slow.machine(),
    )
    assert [moment - 1_005_000 for moment in seen] == [0, 1_000_000, 4_000_000]
    assert clocks[0] == WorldClock(started + 1_000_000, 100_000_000, 10.0)
    assert clocks[1] == WorldClock(slow.now, 140_000_000, 1.0)


def test_the_clock_frozen_at_the_end_of_the_window(desk: Desk) -> None:
    clocks: list[WorldClock] = []
    for window in (TimeWindow(until_us=25_000_000), TimeWindow()):
        replay(
            KeepingBus(),
            desk.file(rows(30, 10, 20)),
            desk.mapping(SECONDS),
            ReplayOptions(window=window, clock="freeze"),
            set_clock=clocks.append,
            machine=SlowMachine().machine(),
        )
    assert [clock.at(123) for clock in clocks] == [25_000_000, 30_000_000]
    with pytest.raises(MappingError, match="clock mode 'freeze'"):
        desk.replay(rows(1), SECONDS, options=ReplayOptions(clock="freeze"))


def test_at_full_speed_the_clock_stands_at_the_end_then_goes_on(desk: Desk) -> None:
    bus, slow = KeepingBus(), SlowMachine()
    at: list[tuple[int, int]] = []
    options = ReplayOptions(clock="follow", batch=2)
    replay(
        bus,
        desk.file(rows(1, 2, 3, 4, 5)),
        desk.mapping(SECONDS),
        options,
        set_clock=lambda clock: at.append((len(bus.messages), clock.at(0) if clock.rate == 0 else -1)),
        machine=slow.machine(),
    )
    assert at == [(0, 5_000_000), (5, -1)]
    assert slow.slept == [1.0]


def test_a_file_cut_in_two_is_given_once(desk: Desk) -> None:
    text = rows(1, 2, 3) + "x,a,bad,1\n2,,nobody,1\nonly,two\n"
    cut = 2_000_000
    old, first = desk.replay(text, SECONDS, options=ReplayOptions(window=TimeWindow(until_us=cut)))
    new, second = desk.replay(text, SECONDS, options=ReplayOptions(window=TimeWindow(since_us=cut)))
    assert [e["order_id"] for e in old.events + new.events] == ["o1", "o2", "o3"]
    assert (first.dead_letters, second.dead_letters) == ({"bad_value": 2}, {"no_customer": 1})
    assert first.given + second.given == 6


def test_progress_ends_with_everything(desk: Desk) -> None:
    seen: list[Progress] = []
    replay(KeepingBus(), desk.file(rows(*range(9_000)) + "1,,n,1\n"), desk.mapping(SECONDS), progress=seen.append)
    assert (seen[-1].done, seen[-1].total) == (9_001, 9_001)
    assert seen[-1].rate > 0


def test_the_account_waits_for_ingest_and_adds_its_dead_letters(desk: Desk) -> None:
    _, report = desk.replay(rows(1, 2, 3) + "1,,n,1\n", SECONDS)

    class Counting:
        polls = 0

        def counts(self, prefix: str = "") -> dict[str, int]:
            self.polls += 1
            done = (
                {f"{prefix}accepted": 2} if self.polls < 3 else {f"{prefix}accepted": 2, f"{prefix}dead:duplicate": 1}
            )
            return {name: n for name, n in done.items() if name.startswith(f"origin:{report.origin}:")}

    counting = Counting()
    result = outcome(counting, report, timeout_s=10, sleep=lambda _: None)
    assert result.as_dict() == {"given": 4, "accepted": 2, "dead_letters": {"duplicate": 1, "no_customer": 1}}
    assert counting.polls == 3


def test_a_file_replayed_before_is_recognized(desk: Desk) -> None:
    bus, first = desk.replay(rows(1, 2), SECONDS)
    bus.counts = lambda prefix="": {f"origin:{first.origin}:accepted": 2} if first.origin.startswith(prefix[7:]) else {}  # type: ignore[method-assign]
    again = replay(bus, desk.folder / "shop.csv", desk.mapping(SECONDS))
    assert (first.replayed_before, again.replayed_before) == (0, 2)
    assert again.origin != first.origin


@pytest.mark.parametrize("options", [{"speed": 0}, {"speed": -1}, {"batch": 0}])
def test_options_out_of_range(options: dict[str, int]) -> None:
    with pytest.raises(MappingError, match="out of range"):
        ReplayOptions(**options)  # type: ignore[arg-type]
