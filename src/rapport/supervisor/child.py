"""One supervised process: started, asked how it is, started again when it dies, stopped with all that it started."""

from __future__ import annotations

import logging
import subprocess
import time

from rapport.processes import HELPLESS, MARK, identify, is_alive, kill_all, marked, terminate
from rapport.supervisor.backoff import Backoff
from rapport.supervisor.logs import open_log, tail, trim_log
from rapport.supervisor.service import Service
from rapport.supervisor.state import Health, Paths, ServiceState

__all__ = ["Child"]

_log = logging.getLogger(__name__)
_CHECK_EVERY_S = 1.0
_CHECK_EVERY_STARTING_S = 0.1
_LOG_LIMIT_BYTES = 20_000_000


class Child:
    """Keeps one service's process running. `state` is what others see of it."""

    def __init__(self, service: Service, paths: Paths, backoff: Backoff | None = None) -> None:
        self.service = service
        self._log_path = paths.log(service.name)
        self._mark = paths.mark(service.name)
        self.state = ServiceState(service.name, address=service.address, log=str(self._log_path))
        self._backoff = backoff or Backoff()
        self._process: subprocess.Popen[bytes] | None = None
        self._started_s = 0.0
        self._start_at_s = 0.0
        self._check_at_s = 0.0

    @property
    def given_up(self) -> bool:
        return self.state.health is Health.GIVEN_UP

    @property
    def ready(self) -> bool:
        return self.state.health is Health.OK

    def start(self) -> None:
        """Start the process. What keeps it from starting counts as a death."""
        self._started_s = time.monotonic()
        try:
            with open_log(self._log_path) as log:
                self._process = self.service.launch(log, {MARK: self._mark})
        except OSError as error:
            self._died(f"cannot be started: {error}")
            return
        self.state.process = identify(self._process.pid)
        self.state.started_us = time.time_ns() // 1_000
        self.state.health, self.state.note = Health.STARTING, ""
        self._check_at_s = 0.0

    def tick(self, now_s: float) -> None:
        """Look after the process once. `now_s` is monotonic."""
        if self.state.health is Health.RESTARTING and now_s >= self._start_at_s:
            self.state.restarts += 1
            self.start()
        elif self._process is not None and self._process.poll() is not None:
            self._died(_describe(self._process.returncode), self._process.returncode)
        elif self._process is not None and now_s >= self._check_at_s:
            self._check(now_s)

    def stop(self) -> str:
        """End the process and what it has started; returns what went wrong, "" when nothing did."""
        problem = ""
        if self._process is not None:
            if is_alive(self.state.process) and self.state.process:
                ended = terminate(self.state.process, self.service.grace_s)
                if not ended and self.service.patient:
                    problem = f"{self.service.name} (process {self._process.pid}) does not end; it is left running"
                    self._process.returncode = 0  # no longer this process's to wait for
            if not problem:
                self._sweep()
        self.state.health, self.state.note = Health.STOPPED, problem
        if not problem:
            self.state.process = None
        return problem

    def tail(self) -> list[str]:
        return tail(self._log_path)

    def trim_log(self) -> None:
        trim_log(self._log_path, _LOG_LIMIT_BYTES)

    def _check(self, now_s: float) -> None:
        starting = self.state.health is Health.STARTING
        young = starting and now_s - self._started_s < self.service.steady_s
        note = "has only just started" if young else self.service.check()
        if not note:
            self.state.health, self.state.note = Health.OK, ""
        elif not starting:
            self.state.health, self.state.note = Health.UNHEALTHY, note
        else:
            self.state.note = note
        self._check_at_s = now_s + (_CHECK_EVERY_STARTING_S if note and starting else _CHECK_EVERY_S)

    def _died(self, how: str, code: int = 1) -> None:
        now_s = time.monotonic()
        self._sweep()
        self.state.process = None
        delay_s = None if code == HELPLESS else self._backoff.died(now_s - self._started_s)
        if delay_s is None:
            self.state.health = Health.GIVEN_UP
            if code == HELPLESS:
                self.state.note = f"cannot go on: {_said(self.tail())}"
                _log.error("%s %s", self.service.name, self.state.note)
                return
            self.state.note = f"{how}, {self._backoff.deaths} times in a row; not started again"
            _log.error("%s %s; its log ends:\n%s", self.service.name, self.state.note, "\n".join(self.tail()))
            return
        self.state.health, self.state.note = Health.RESTARTING, how
        self._start_at_s = now_s + delay_s
        _log.warning(
            "%s %s after %.1f s; starting it again in %.1f s", self.service.name, how, now_s - self._started_s, delay_s
        )

    def _sweep(self) -> None:
        """End what the process left behind: workers of a killed parent would keep its port."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.kill()
        kill_all(marked(self._mark))
        self._process.wait()
        self._process = None


def _describe(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"


def _said(lines: list[str]) -> str:
    """What the last critical line of a log says, without when and by whom."""
    critical = [line.partition(" CRITICAL ")[2] for line in lines if " CRITICAL " in line]
    return critical[-1].partition(": ")[2] if critical else "its log says why"
