"""The flow in processes of its own: as `rapport up` starts it, or forked from one that has imported everything."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import BinaryIO

from bytewax.testing import run_main

from flows.all import flow

__all__ = ["FlowProcess", "forking"]

_ROOT = Path(__file__).parents[2]


def forking() -> ForkServerContext:
    """Where forked flows come from: they begin to work in a fraction of a second, a fresh process needs many."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "rapport.feast.catalog", "tests.chaos.warm"])
    return context


def run_flow(environment: dict[str, str], log: str) -> None:
    """What a forked process does: the whole flow of an installation, until it is killed."""
    os.environ.update(environment)
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    run_main(flow())


class FlowProcess:
    """One process of `flows.all`.

    Args:
        environment: the installation's settings.
        log: a file that its output is added to.
        context: where to fork it from; None: start `python -m bytewax.run` afresh.
    """

    def __init__(self, environment: dict[str, str], log: Path, context: ForkServerContext | None = None) -> None:
        self._popen: subprocess.Popen[bytes] | None = None
        if context is None:
            with log.open("ab") as output:
                self._popen = _fresh(environment, output)
        else:
            self._process = context.Process(target=run_flow, args=(environment, str(log)), daemon=True)
            self._process.start()

    @property
    def pid(self) -> int:
        return int((self._popen or self._process).pid or 0)

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._popen.poll() if self._popen else self._process.exitcode

    def kill(self) -> None:
        if self._popen:
            self._popen.kill()
            self._popen.wait()
        else:
            self._process.kill()
            self._process.join()

    def end(self, timeout_s: float) -> int | None:
        """Ask it to end, as `rapport down` does; its exit code, None when it does not end."""
        if self._popen is None:
            raise ValueError("only a fresh process is ended in good order")
        self._popen.send_signal(signal.SIGTERM)
        try:
            return self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None


def _fresh(environment: dict[str, str], output: BinaryIO) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "bytewax.run", "flows.all:flow"],
        cwd=_ROOT,
        env={**os.environ, **environment},
        stdout=output,
        stderr=output,
    )
