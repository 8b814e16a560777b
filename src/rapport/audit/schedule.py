"""Audits on a schedule: the archive's process has one made whenever RAPPORT_AUDIT_EVERY_H hours have passed.

An audit is made by a command in a process of its own, whose memory ends with it. The first one comes when that time has
passed for the first time: there is nothing to compare before.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

from rapport.archive.daily import run_command
from rapport.archive.locks import exclusive_now
from rapport.audit.store import audits_folder
from rapport.settings import Settings

__all__ = ["EXIT_ALARM", "watch"]

_LOOK_EVERY_S = 60.0
EXIT_ALARM = 9
"""What `rapport audit` ends with when it has alarms: it has done its work."""


def watch(settings: Settings, stop: threading.Event, *, look_s: float = _LOOK_EVERY_S) -> None:
    """Have an audit made whenever it is due, by whichever process, until `stop`."""
    folder, every_s = audits_folder(settings), settings.audit_every_h * 3_600
    while every_s and not stop.wait(look_s):
        mark = folder / ".scheduled"
        if not mark.exists():
            folder.mkdir(parents=True, exist_ok=True)
            mark.touch()
        if not _is_due(mark, every_s):
            continue
        with exclusive_now(folder / ".schedule.lock") as alone:
            if alone and _is_due(mark, every_s):
                # Also one that fails counts: the next try is the next one's.
                mark.touch()
                run_command(settings, ("audit",), stop, good=(0, EXIT_ALARM))


def _is_due(mark: Path, every_s: float) -> bool:
    return time.time() - mark.stat().st_mtime >= every_s
