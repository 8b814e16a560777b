"""The loop of `rapport watch`: report on every champion, decide, retrain, and say what happened.

Nothing that one round meets ends the loop: a report or a retraining that fails is logged, counted and tried again. What
must survive a restart (when drift last started a retraining) is on disk before the retraining begins.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Literal, Protocol

from monitoring.child import Reply, Request, reports
from monitoring.decide import retrain_decision
from monitoring.metrics import write_metrics
from monitoring.state import Happening, append_history, read_state, write_state
from monitoring.summary import Summary
from rapport.clock import Clock, SystemClock
from rapport.errors import RapportError
from rapport.quiet import log_failure
from rapport.settings import Settings

__all__ = ["Outcome", "Reporter", "Retrain", "Watch", "stop_on_signals"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a retraining: the gate promoted the candidate, or refused it and the champion stays."""

    result: Literal["promoted", "refused"]
    version: str
    """The candidate."""
    why: str
    """The gate's comparison in one sentence."""


class Retrain(Protocol):
    """Train a candidate of a model and put it to the promotion gate."""

    def __call__(self, model: str) -> Outcome: ...


class Reporter(Protocol):
    """Make the reports that a request asks for; `stopped` says when to give up."""

    def __call__(self, settings: Settings, request: Request, stopped: Callable[[], bool]) -> list[Reply]: ...


class Watch:
    """Watches every model that has a champion.

    Args:
        settings: drift_every_s, drift_share, drift_min_rows, drift_cooldown_s, drift_window_s and data_dir.
        retrain: called with a model's name when its drift asks for it; whatever it raises counts as a failure.
        clock: the machine's time, for the schedule, the cool-down and the reports' names.
        reporter: makes the reports; by default a process of their own.
        on_happening: is told each line of the history as it is written.
    """

    def __init__(
        self,
        settings: Settings,
        retrain: Retrain,
        *,
        clock: Clock | None = None,
        reporter: Reporter = reports,
        on_happening: Callable[[Happening], None] = lambda happening: None,
    ) -> None:
        self._settings = settings
        self._retrain = retrain
        self._clock = clock or SystemClock()
        self._reporter = reporter
        self._on_happening = on_happening
        self._folder = settings.data_dir / "reports"
        self._state = read_state(self._folder)
        self._seen: object = None
        self._few: set[str] = set()

    def run(self, stop: threading.Event) -> None:
        """One round every drift_every_s seconds until `stop` is set; a report in the making is then given up."""
        while not stop.is_set():
            try:
                self.round(stop.is_set)
            except Exception as error:  # the entry point of the watch: a round that fails is tried again
                log_failure(_log, error, "a round of the drift watch failed; the next one starts in time")
            stop.wait(self._settings.drift_every_s)

    def round(self, stopped: Callable[[], bool] = lambda: False) -> None:
        """Report, decide and retrain once. Does nothing when neither a champion nor the decision log has changed."""
        from monitoring.subject import champions

        models = champions(self._settings)
        seen = self._fingerprint(models)
        if not models or seen == self._seen:
            return
        now_us = self._clock.now_us()
        try:
            replies = self._reporter(self._settings, Request(tuple(models), now_us), stopped)
        except RapportError as error:
            if not stopped():
                for model in models:
                    self._failed(model, str(error))
            return
        self._seen = seen
        for reply in replies:
            if not stopped():
                self._handle(reply)

    def _fingerprint(self, models: list[str]) -> object:
        """Something that differs when there is something new to report on."""
        from rapport.archive import Archive

        pointers = [self._settings.data_dir / "models" / model / "champion.json" for model in models]
        with Archive(self._settings.data_dir / "archive").snapshot("decisions") as snapshot:
            return snapshot.version, [path.stat().st_mtime_ns for path in pointers]

    def _handle(self, reply: Reply) -> None:
        if reply.summary is not None:
            self._reported(reply.summary)
        elif reply.error in ("TooFewDecisions", "NoChampion"):
            if reply.model not in self._few:
                self._tell(reply.model, "too_few", reply.message)
            self._few.add(reply.model)
        else:
            self._failed(reply.model, reply.message)

    def _reported(self, summary: Summary) -> None:
        one = self._state.of(summary.model)
        one.last_report_us, one.version = summary.time_us, summary.version
        one.share, one.rows = summary.share, summary.rows
        one.score_psi = summary.score.psi if summary.score else None
        one.reports += 1
        self._few.discard(summary.model)
        now_us = self._clock.now_us()
        decision = retrain_decision(summary, one.last_retrain_us, now_us, self._settings)
        self._tell(summary.model, "report", decision.reason, summary)
        if decision.retrain:
            one.last_retrain_us = now_us
            self._tell(summary.model, "retrain_started", decision.reason, summary)
            self._retrain_now(summary)
        elif summary.share >= self._settings.drift_share:
            self._seen = None  # what holds it back may pass without a new decision

    def _retrain_now(self, summary: Summary) -> None:
        one = self._state.of(summary.model)
        result: str = "failed"
        after = summary.version
        try:
            outcome = self._retrain(summary.model)
            result, why = outcome.result, outcome.why
            after = outcome.version if outcome.result == "promoted" else after
        except Exception as error:  # an entry point into another room: whatever it meets, the watch goes on
            log_failure(_log, error, "retraining of %s failed", summary.model)
            why = f"{type(error).__name__}: {error}"
        one.retrainings[result] = one.retrainings.get(result, 0) + 1
        self._seen = None
        self._tell(summary.model, result, why, summary, after)

    def _failed(self, model: str, message: str) -> None:
        self._state.of(model).failures += 1
        self._seen = None
        self._tell(model, "report_failed", message)

    def _tell(self, model: str, what: str, why: str, summary: Summary | None = None, after: str = "") -> None:
        """Write state, metrics and a line of history, in the order in which a crash between them does no harm."""
        happening = Happening(
            time_us=self._clock.now_us(),
            model=model,
            what=what,
            why=why,
            report=summary.html if summary else "",
            share=summary.share if summary else None,
            rows=summary.rows if summary else None,
            version_before=summary.version if summary else "",
            version_after=after,
        )
        write_state(self._folder, self._state)
        write_metrics(self._folder, self._state)
        append_history(self._folder, happening)
        _log.info("%s: %s: %s", model, what, why)
        self._on_happening(happening)


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set, inside the block. Only in the main thread."""
    stop = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
