"""What the archive needs once a day: rows that are too old go, small files are joined, old versions are let go.

It is done by commands in processes of their own, whose memory ends with them; the flow that archives goes on meanwhile.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from pathlib import Path

from rapport.archive.locks import exclusive_now
from rapport.settings import Settings

__all__ = ["run_command", "watch"]

_EVERY_S = 86_400.0
_LOOK_EVERY_S = 60.0
_COMMANDS = (("archive", "retain"), ("archive", "compact"))
_log = logging.getLogger(__name__)


def watch(
    settings: Settings, stop: threading.Event, *, every_s: float = _EVERY_S, look_s: float = _LOOK_EVERY_S
) -> None:
    """Do it whenever a day has passed since it was last done, by whichever process, until `stop`."""
    while not stop.wait(look_s):
        locks = settings.data_dir / "archive" / ".locks"
        if not locks.is_dir() or not _is_due(locks / "daily", every_s):
            continue
        with exclusive_now(locks / "daily.lock") as alone:
            if alone and _is_due(locks / "daily", every_s):
                for command in _COMMANDS:
                    run_command(settings, command, stop)
                (locks / "daily").touch()


def _is_due(mark: Path, every_s: float) -> bool:
    return not mark.exists() or time.time() - mark.stat().st_mtime >= every_s


def run_command(
    settings: Settings, command: tuple[str, ...], stop: threading.Event, *, good: tuple[int, ...] = (0,)
) -> None:
    """Run a command of `rapport` to its end, or to `stop`; an exit code that is not good is logged, and no more."""
    with subprocess.Popen([sys.executable, "-m", "rapport.cli", *command], cwd=settings.root) as process:
        while process.poll() is None:
            if stop.wait(0.2):
                process.terminate()
        if process.returncode not in good and not stop.is_set():
            _log.error("`rapport %s` ended with exit code %d", " ".join(command), process.returncode)
