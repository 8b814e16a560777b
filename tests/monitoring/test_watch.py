"""The loop: what it does on its schedule, what it survives, and what it remembers."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from test_decide import summary
from watched_world import MODEL, World, make_world

from monitoring.child import Reply, Request
from monitoring.state import append_history, read_history, read_state
from monitoring.summary import Summary
from monitoring.watch import Outcome, Watch, stop_on_signals
from rapport.clock import WorldClock
from rapport.errors import ServiceError
from rapport.settings import Settings

HOUR_US = 3_600_000_000


class Reports:
    """A reporter that gives what it is told to: a list of replies' summaries or errors, the last one for ever."""

    def __init__(self, *given: Summary | Exception) -> None:
        self.given = list(given)
        self.asked = 0

    def __call__(self, settings: Settings, request: Request, stopped: Callable[[], bool]) -> list[Reply]:
        self.asked += 1
        one = self.given.pop(0) if len(self.given) > 1 else self.given[0]
        if isinstance(one, Exception):
            raise one
        return [Reply(MODEL, msgspec.structs.replace(one, model=MODEL, time_us=request.now_us))]


class Trainer:
    """Records what was asked of it, and answers with an outcome or an error."""

    def __init__(self, answer: Outcome | Exception) -> None:
        self.answer = answer
        self.asked: list[str] = []

    def __call__(self, model: str) -> Outcome:
        self.asked.append(model)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


PROMOTED = Outcome("promoted", "2", "better")
DRIFTED, STEADY = summary([3.0, 3.0], 900), summary([0.0, 0.0], 900)


def at(time_us: int) -> WorldClock:
    """A clock that stands still."""
    return WorldClock(0, time_us, 0.0)


def watched(tmp_path: Path) -> World:
    world = make_world(tmp_path)
    world.champion()
    world.decide(1)
    return world


def whats(world: World) -> list[str]:
    return [one.what for one in read_history(world.settings.data_dir / "reports")]


def test_the_cooldown_holds_across_restarts(tmp_path: Path) -> None:
    world, trainer = watched(tmp_path), Trainer(PROMOTED)
    for hours in (0.0, 0.5, 0.99, 1.0, 1.5):
        Watch(world.settings, trainer, clock=at(HOUR_US + int(hours * HOUR_US)), reporter=Reports(DRIFTED)).round()
    assert trainer.asked == [MODEL, MODEL]
    one = read_state(world.settings.data_dir / "reports").of(MODEL)
    assert (one.last_retrain_us, one.retrainings, one.reports) == (2 * HOUR_US, {"promoted": 2}, 5)


def test_a_retraining_that_dies_with_the_process_still_counts_for_the_cooldown(tmp_path: Path) -> None:
    world = watched(tmp_path)

    def die(model: str) -> Outcome:
        raise SystemExit(1)

    with pytest.raises(SystemExit):
        Watch(world.settings, die, clock=at(HOUR_US), reporter=Reports(DRIFTED)).round()
    trainer = Trainer(PROMOTED)
    Watch(world.settings, trainer, clock=at(HOUR_US + 1), reporter=Reports(DRIFTED)).round()
    assert trainer.asked == []
    assert whats(world) == ["report", "retrain_started", "report"]


def test_what_fails_is_told_and_tried_again(tmp_path: Path) -> None:
    world, trainer = watched(tmp_path), Trainer(ValueError("no labels"))
    clock = WorldClock(0, 0, 1.0)
    settings = replace(world.settings, drift_cooldown_s=0)
    watch = Watch(settings, trainer, clock=clock, reporter=Reports(ServiceError("killed"), DRIFTED))
    for _ in range(3):
        watch.round()
    assert whats(world) == ["report_failed", *(["report", "retrain_started", "failed"] * 2)]
    last = read_history(settings.data_dir / "reports")[-1]
    assert (last.why, last.version_before, last.version_after) == ("ValueError: no labels", "1", "1")
    assert read_state(settings.data_dir / "reports").of(MODEL).failures == 1


def test_a_refused_candidate_leaves_the_champion(tmp_path: Path) -> None:
    world = watched(tmp_path)
    watch = Watch(world.settings, Trainer(Outcome("refused", "2", "worse")), clock=at(0), reporter=Reports(DRIFTED))
    watch.round()
    last = read_history(world.settings.data_dir / "reports")[-1]
    assert (last.what, last.version_before, last.version_after) == ("refused", "1", "1")


def test_nothing_is_asked_until_there_is_something_new(tmp_path: Path) -> None:
    world, reporter = watched(tmp_path), Reports(STEADY)
    watch = Watch(world.settings, Trainer(PROMOTED), clock=at(0), reporter=reporter)
    watch.round()
    watch.round()
    assert reporter.asked == 1
    world.decide(1)
    watch.round()
    world.champion(version="2")
    watch.round()
    assert reporter.asked == 3


def test_without_a_champion_there_is_nothing_to_watch(tmp_path: Path) -> None:
    world, reporter = make_world(tmp_path), Reports(STEADY)
    Watch(world.settings, Trainer(PROMOTED), reporter=reporter).round()
    assert reporter.asked == 0


def test_the_schedule_runs_until_sigterm(tmp_path: Path) -> None:
    world = watched(tmp_path)
    settings = replace(world.settings, drift_every_s=1)
    reporter = Reports(ServiceError("not yet"), RuntimeError("unexpected"), STEADY)
    watch = Watch(settings, Trainer(PROMOTED), reporter=reporter)
    # A signal reaches the main thread, which is the one that waits here.
    timer = threading.Timer(2.5, os.kill, (os.getpid(), signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    started = time.monotonic()
    with stop_on_signals() as stop:
        timer.start()
        watch.run(stop)
    assert 2 < time.monotonic() - started < 4
    assert reporter.asked == 3
    assert whats(world) == ["report_failed", "report"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_line_that_a_crash_cut_short_is_left_out(tmp_path: Path) -> None:
    world = watched(tmp_path)
    Watch(world.settings, Trainer(PROMOTED), clock=at(0), reporter=Reports(STEADY)).round()
    folder = world.settings.data_dir / "reports"
    with (folder / "history.jsonl").open("ab") as file:
        file.write(b'{"time_us": 1, "mod')
    [one] = read_history(folder)
    append_history(folder, one)
    assert read_history(folder) == [one, one]
