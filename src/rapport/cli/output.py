"""What commands show: tables and lines for people on stdout, JSON for machines on stdout, progress on stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Progress", "console", "duration", "emit", "progress", "say", "table"]

_PLAIN_WIDTH = 140
_PLAIN_EVERY_S = 5.0


class Progress(Protocol):
    """Shows how far long work is."""

    def __call__(self, done: float, total: float | None = None, text: str = "") -> None:
        """Show `done` of `total` (None: unknown), and what is being done now."""


def console(*, stderr: bool = False) -> Console:
    """A console; where nobody looks it is wide and has no colours."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, width=None if stream.isatty() else _PLAIN_WIDTH, highlight=False)


def say(text: str) -> None:
    """A line for people, beside the results."""
    console(stderr=True).print(text, markup=False, soft_wrap=True)


def emit(value: Any) -> None:
    """A result for machines: one JSON document on stdout. Not-a-number becomes null."""
    sys.stdout.write(json.dumps(_plain(value), indent=2, ensure_ascii=False) + "\n")


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str = "") -> None:
    """A table on stdout; None is shown as a dash, numbers are set right."""
    from rich import box
    from rich.table import Table

    shown = Table(title=title or None, title_justify="left", header_style="bold", box=box.SIMPLE_HEAD)
    for index, name in enumerate(columns):
        right = bool(rows) and all(isinstance(row[index], int | float | None) for row in rows)
        shown.add_column(name, justify="right" if right else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(_cell(value) for value in row))
    console().print(shown)


def duration(seconds: float) -> str:
    """Seconds for people: `4 s`, `3 min 20 s`, `5 h 10 min`, `12 d 3 h`."""
    whole = int(seconds)
    for size, unit, size_below, below in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // size_below
            return f"{whole // size} {unit} {rest} {below}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


@contextmanager
def progress(what: str) -> Iterator[Progress]:
    """Progress of one piece of work, on stderr: a bar in a terminal, else a line every few seconds."""
    if sys.stderr.isatty():
        with _bar(what) as show:
            yield show
    else:
        yield _Lines(what)


@contextmanager
def _bar(what: str) -> Iterator[Progress]:
    from rich import progress as bars

    columns = (
        bars.SpinnerColumn(),
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TimeElapsedColumn(),
        bars.TextColumn("{task.fields[text]}"),
    )
    with bars.Progress(*columns, console=console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=None, text="")

        def show(done: float, total: float | None = None, text: str = "") -> None:
            shown.update(task, completed=done, total=total, text=text)

        yield show


class _Lines:
    def __init__(self, what: str) -> None:
        self._what = what
        self._next_s = 0.0
        self._last = ""

    def __call__(self, done: float, total: float | None = None, text: str = "") -> None:
        now_s = time.monotonic()
        if now_s < self._next_s and done != total:
            return
        self._next_s = now_s + _PLAIN_EVERY_S
        count = f"{done:,.0f} of {total:,.0f}" if total else f"{done:,.0f}"
        line = f"{self._what}: {count}{f' ({text})' if text else ''}\n"
        if line != self._last:
            sys.stderr.write(line)
            self._last = line


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and value != value:
        return None
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return _plain(value.tolist()) if hasattr(value, "tolist") else str(value)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return "-" if value != value else f"{value:,.4g}" if abs(value) < 1_000 else f"{value:,.0f}"
    return str(value).replace("[", "\\[")
