"""Rebuilds by itself what the flow notes as lacking; the rebuild itself is a process of its own, and its memory ends
with it."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from pathlib import Path

import yaml

from rapport.errors import RapportError
from rapport.online import WRITE_TIMEOUT_S, Keeping, connect
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
        project = _project(settings.root)
        return anything_lacks(Keeping(client, project), Unfinished(client, project))


def _project(root: Path) -> str:
    # Feast itself takes seconds and 200 MB to say it.
    return str(yaml.safe_load((root / "feature_store.yaml").read_text())["project"])


def _rebuild(settings: Settings, stop: threading.Event) -> int:
    with subprocess.Popen([sys.executable, "-m", "rapport.cli", "rebuild"], cwd=settings.root) as process:
        while process.poll() is None:
            if stop.wait(0.2):
                process.terminate()
        return process.returncode if not stop.is_set() else 0
