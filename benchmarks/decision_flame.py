"""A flame graph of decisions, `docs/images/performance-decision-flame.svg`: where a decision's processor time goes.

    python -m benchmarks.decision_flame

The service answers one client while py-spy, which uv runs in an environment of its own, looks a thousand times a second
which Python code holds the interpreter. A bar is a function, as wide as its share of the time; what it calls stands on
it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import psutil

from benchmarks.decision_asking import ask
from benchmarks.decision_flame_picture import picture
from benchmarks.decision_world import ROOT, serving_project
from rapport.testing.served import Served

__all__ = ["stacks_of"]

PY_SPY = ("tool", "run", "--from", "py-spy==0.4.3", "py-spy")
PICTURE = ROOT / "docs" / "images" / "performance-decision-flame.svg"
SECONDS = 10
_ROOT = "Runner.run (asyncio/runners.py)"
"""Below it is the event loop's work; above it what every process of Python has."""


def main() -> int:
    profiler = _profiler()
    with tempfile.TemporaryDirectory(prefix="rapport-") as folder, serving_project(Path(folder)) as project:
        served = Served(project)
        try:
            served.wait_ready()
            served.wait_health(lambda health: health["status"] == "ok", "the service is not well", 60)
            text = _record(profiler, served, Path(folder) / "stacks.txt")
        finally:
            served.stop()
    stacks = stacks_of(text)
    PICTURE.write_text(picture(stacks, "Decisions of one client: where the interpreter's time goes"))
    print(f"wrote {PICTURE}: {sum(stacks.values()):,} samples")
    return 0


def stacks_of(text: str) -> dict[tuple[str, ...], int]:
    """Stacks of functions, outermost first, to samples: of the event loop and of the decision log's thread.

    Args:
        text: py-spy's raw form, `thread;function (file:line);… samples` a line.
    """
    found: dict[tuple[str, ...], int] = {}
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        thread, *frames = [_without_line(frame) for frame in stack.split(";")]
        if _ROOT in frames:
            frames = frames[frames.index(_ROOT) + 1 :]
            thread = "event loop"
        elif "decision-log" in stack:
            thread = "decision log"
        else:
            thread = "other threads"
        key = (thread, *frames)
        found[key] = found.get(key, 0) + int(count)
    return found


def _without_line(frame: str) -> str:
    return f"{frame.rpartition(':')[0]})" if frame.endswith(")") and ":" in frame else frame


def _profiler() -> list[str]:
    """The command that runs py-spy; it is downloaded here, before anything is measured."""
    uv = subprocess.run([ROOT / "deploy" / "find-uv.sh"], check=True, capture_output=True, text=True).stdout.strip()
    command = [uv, *PY_SPY]
    subprocess.run([*command, "--version"], check=True, capture_output=True)
    return command


def _record(profiler: list[str], served: Served, path: Path) -> str:
    """Ask, and look on meanwhile; the stacks that were seen."""
    asking = threading.Thread(target=ask, args=(served.url, 1, SECONDS + 2))
    asking.start()
    worker = max(psutil.Process(served.process.pid).children(recursive=True), key=lambda one: one.cpu_times().user)
    argv = [*profiler, "record", "--pid", str(worker.pid), "--duration", str(SECONDS), "--rate", "1000", "--gil"]
    argv += ["--threads", "--format", "raw", "--output", str(path)]
    ended = subprocess.run(argv, capture_output=True, text=True)
    asking.join()
    if ended.returncode != 0:
        raise RuntimeError(f"py-spy failed: {ended.stderr.strip()[-300:]}")
    return path.read_text()


if __name__ == "__main__":
    sys.exit(main())
