"""Rebuilds by itself what the flow notes as lacking; the rebuild itself is a process of its own, and its memory ends
with it."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading

from rapport.errors import RapportError
from rapport.online import WRITE_TIMEOUT_S, Keeping, connect
from rapport.project import project_name
from rapport.rebuild.lacking import Unfinished, anything_lacks
from rapport.settings import Settings

__all__ = ["watch"]

_LOOK_EVERY_S = 5.0
_AFTER_FAILURE_S = 60.0
_log = logging.getLogger(__name__)


def watch(settings: Settings, stop: threading.Event) -> None:
    """Look for views that lack their past, and rebuild them, until `stop`."""
    while not stop.is_set():
        wait_s = _LOOK_EVERY_S
        try:
            if _lacks(settings):
                _log.info("a view lacks its customers' past: rebuilding")
                code = _rebuild(settings, stop)
                if code:
                    _log.error("the rebuild ended with exit code %d; again in %.0f s", code, _AFTER_FAILURE_S)
                    wait_s = _AFTER_FAILURE_S
        except RapportError as error:
            _log.info("%s", error)
        stop.wait(wait_s)


def _lacks(settings: Settings) -> bool:
    with connect(settings, timeout_s=WRITE_TIMEOUT_S) as client:
        project = project_name(settings.root)
        return anything_lacks(Keeping(client, project), Unfinished(client, project))


def _rebuild(settings: Settings, stop: threading.Event) -> int:
    with subprocess.Popen([sys.executable, "-m", "rapport.cli", "rebuild"], cwd=settings.root) as process:
        while process.poll() is None:
            if stop.wait(0.2):
                process.terminate()
        return process.returncode if not stop.is_set() else 0
