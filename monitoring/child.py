"""Drift reports made in a process of their own: Evidently is slow to import, large, and can be killed there.

python -m monitoring.child REQUEST      REQUEST is a Request as JSON; one Reply per model and line on its output
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import IO

import msgspec

from monitoring.summary import Summary
from rapport import errors
from rapport.clock import Clock, SystemClock
from rapport.errors import RapportError, ServiceError
from rapport.settings import Settings, disable_telemetry, load_settings

__all__ = ["Reply", "Request", "drift", "reports"]

TIMEOUT_S = 900.0
_POLL_S = 0.1


class Request(msgspec.Struct, frozen=True):
    """Which models to report on, over which window of decision times (microseconds), and the present."""

    models: tuple[str, ...]
    now_us: int
    since_us: int | None = None
    until_us: int | None = None


class Reply(msgspec.Struct, frozen=True):
    """A model's report, or the error that there was instead: its class in rapport.errors, and its message."""

    model: str
    summary: Summary | None = None
    error: str = ""
    message: str = ""

    def result(self) -> Summary:
        """The report.

        Raises:
            RapportError: the error that the other process met.
        """
        if self.summary is not None:
            return self.summary
        raise getattr(errors, self.error, ServiceError)(self.message)


def drift(
    settings: Settings,
    model: str | None = None,
    since_us: int | None = None,
    until_us: int | None = None,
    *,
    clock: Clock | None = None,
) -> list[Summary]:
    """Report on one model, or on every model that has a champion.

    Without `model`, one that cannot be reported on is left out as long as another can.

    Args:
        since_us, until_us: limits of the decisions' time; by default the last settings.drift_window_s of the log.
        clock: gives the time of the report; default the machine's.

    Raises:
        NoChampion: the model has none, or no model has.
        TooFewDecisions: too few decisions in the window.
        ModelRefused: the champion's folder lacks its training reference.
        ServiceError: the reporting process failed; the message ends with what it said.
    """
    from monitoring.subject import champions

    models = [model] if model is not None else champions(settings)
    if not models:
        raise errors.NoChampion("no model has a champion: run `rapport train`, then `rapport promote`")
    now_us = (clock or SystemClock()).now_us()
    replies = reports(settings, Request(tuple(models), now_us, since_us, until_us))
    made = [reply.summary for reply in replies if reply.summary is not None]
    return made or [reply.result() for reply in replies]


def reports(settings: Settings, request: Request, stopped: Callable[[], bool] = lambda: False) -> list[Reply]:
    """Run the reporting process to its end; one reply per model.

    Args:
        stopped: looked at ten times a second; when it says so the process is ended.

    Raises:
        ServiceError: the process failed, took longer than TIMEOUT_S, or was stopped.
    """
    command = [sys.executable, "-m", "monitoring.child", msgspec.json.encode(request).decode()]
    pipe, none = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(
        command, stdin=none, stdout=pipe, stderr=pipe, env=_environment(settings), cwd=settings.root
    ) as process:
        try:
            output, said = _communicate(process, stopped)
        finally:
            process.kill()
    if process.returncode != 0:
        last = said.decode(errors="replace").strip().splitlines()[-3:]
        raise ServiceError(f"the drift report ended with code {process.returncode}: {' | '.join(last)}")
    return [msgspec.json.decode(line, type=Reply) for line in output.splitlines()]


def _communicate(process: subprocess.Popen[bytes], stopped: Callable[[], bool]) -> tuple[bytes, bytes]:
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=_POLL_S)
        if stopped():
            raise ServiceError("the drift report was stopped")
        if time.monotonic() > deadline:
            raise ServiceError(f"the drift report took longer than {TIMEOUT_S:.0f} s and was ended")


def _environment(settings: Settings) -> dict[str, str]:
    """The environment from which the other process reads the same settings."""
    given = {f"RAPPORT_{field.name.upper()}": str(getattr(settings, field.name)) for field in fields(settings)}
    return {**os.environ, **given}


def _replies(settings: Settings, request: Request) -> Iterator[Reply]:
    from monitoring.report import make_report
    from monitoring.subject import read_subject

    for model in request.models:
        try:
            subject = read_subject(settings, model, request.since_us, request.until_us)
            yield Reply(model, make_report(subject, settings.data_dir, request.now_us))
        except RapportError as error:
            yield Reply(model, error=type(error).__name__, message=str(error))
        except Exception as error:  # one model's surprise must not cost the others their reports
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(place.filename).name}:{place.lineno}"
            yield Reply(model, error="ServiceError", message=f"{type(error).__name__} at {where}: {error}")


def _serve(request: Request, answers: IO[bytes]) -> None:
    for reply in _replies(load_settings(), request):
        answers.write(msgspec.json.encode(reply) + b"\n")
        answers.flush()


def main() -> None:
    """Answer one request. Libraries that print are sent to standard error; the machine's other work goes first."""
    disable_telemetry()
    os.nice(10)
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)
        _serve(msgspec.json.decode(sys.argv[1], type=Request), answers)


if __name__ == "__main__":
    main()
