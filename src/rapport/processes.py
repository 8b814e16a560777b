"""A process's identity: its id and its start, so that a recycled process id is never taken for the process it was."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec
import psutil

__all__ = ["HELPLESS", "MARK", "ProcessId", "identify", "is_alive", "kill_all", "marked", "terminate"]

MARK = "_RAPPORT_PROCESS"
"""Variable by which a process and its descendants are known to belong together."""
HELPLESS = 78
"""The exit code of a process that said, as the last CRITICAL line of its log, why it cannot go on, and that starting it
again would not help."""
_POLL_S = 0.02
_KILL_S = 5.0


class ProcessId(msgspec.Struct, frozen=True):
    """A process id and a text that no other process of that id has: the boot and the tick at which it started."""

    pid: int
    mark: str


def identify(pid: int) -> ProcessId | None:
    """The identity of a running process; None when there is none, or only its zombie."""
    mark = _mark(pid)
    return ProcessId(pid, mark) if mark else None


def is_alive(process: ProcessId | None) -> bool:
    """Whether that very process still runs."""
    return process is not None and _mark(process.pid) == process.mark


def marked(value: str) -> list[ProcessId]:
    """The running processes whose environment has MARK with this value: those started with it and all that they
    started, whatever has become of their parents, sessions and groups. Never this process itself."""
    found = []
    for process in psutil.process_iter():
        try:
            is_it = process.pid != os.getpid() and process.environ().get(MARK) == value
        except psutil.Error:
            continue
        if is_it and (known := identify(process.pid)):
            found.append(known)
    return found


def terminate(process: ProcessId, grace_s: float, signum: int = signal.SIGTERM) -> bool:
    """Ask a process to end and wait; False when it still runs after `grace_s` seconds."""
    _send(process, signum)
    deadline = time.monotonic() + grace_s
    while is_alive(process):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_S)
    return True


def kill_all(processes: Iterable[ProcessId]) -> None:
    """End processes at once, and wait until they are gone (at most seconds: the system may be busy with them)."""
    killed = list(processes)
    for process in killed:
        _send(process, signal.SIGKILL)
    deadline = time.monotonic() + _KILL_S
    while any(is_alive(process) for process in killed) and time.monotonic() < deadline:
        time.sleep(_POLL_S)


def _send(process: ProcessId, signum: int) -> None:
    if is_alive(process):
        try:
            os.kill(process.pid, signum)
        except ProcessLookupError:
            return


def _mark(pid: int) -> str:
    """Start of a running process; "" when there is none. Without /proc, the start time to the microsecond."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return _portable_mark(pid)
    if fields[0] in "ZX":
        return ""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    return f"{boot}:{fields[19]}"


def _portable_mark(pid: int) -> str:
    if Path("/proc/self/stat").exists():
        return ""
    try:
        process = psutil.Process(pid)
        return "" if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.6f}"
    except psutil.Error:
        return ""
