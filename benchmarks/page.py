"""docs/performance.md and its pictures, from a saved run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.frame import Measurement
from benchmarks.pictures import pictures
from benchmarks.results import Run, Section
from benchmarks.show import HEADER, cells, figure

__all__ = ["write_page"]

_HEAD = """# Performance

Written by `make bench`; do not edit. Each figure stands beside a floor (the least that the same answer
could cost) or a peer (what does the same job), measured in the same run on the same machine: the ratios carry over to
another machine, the figures do not. "Times as good" is over 1 where Rapport is faster, whichever way the unit goes.
"""


_AGAIN = re.compile(r"Again: `python -m benchmarks (\w+)`")


def write_page(sections: Sequence[Section], docs: Path) -> Path:
    """Write `performance.md` and `images/performance-<benchmark>….svg` into the docs folder; returns the page's path.

    What the page says of other benchmarks stays as it is.

    Args:
        sections: at least one; they may be of several runs.
    """
    newest = max((section.run for section in sections), key=lambda run: run.time)
    path = docs / "performance.md"
    found = _present(path)
    for section in sections:
        found[section.group.name] = "\n".join(_section(section, newest, docs)).strip()
    docs.mkdir(exist_ok=True)
    path.write_text(
        "\n".join([_HEAD, *_machine(newest)]) + "\n" + "\n\n".join(found[name] for name in sorted(found)) + "\n"
    )
    return path


def _present(path: Path) -> dict[str, str]:
    """The sections of a page that was written before, by the benchmark that each names in its last line."""
    sections = path.read_text().split("\n## ")[1:] if path.is_file() else []
    return {found[1]: f"## {text.strip()}" for text in sections if (found := _AGAIN.search(text))}


def _machine(run: Run) -> Iterator[str]:
    machine = run.machine
    versions = ", ".join(f"{name} {version}" for name, version in sorted(machine.versions.items()))
    yield f"Machine: {machine.processor}, {machine.cores} cores, {machine.memory_gb:g} GB, {machine.system}; "
    yield f"Python {machine.python}, {versions}."
    yield ""


def _measured(run: Run, newest: Run) -> Iterator[str]:
    """When, and on what where that is not what the head of the page says."""
    yield f"Measured on {run.time:%Y-%m-%d} at commit {run.commit}{', in quick mode' if run.quick else ''}."
    if run.machine != newest.machine:
        yield from _machine(run)


def _section(section: Section, newest: Run, docs: Path) -> list[str]:
    group = section.group
    lines = [f"## {group.title}", ""]
    single = tuple(one for one in group.measurements if one.x is None)
    if single:
        lines += [_row(HEADER), _row(["---" if i in (0, 3, 4) else "---:" for i in range(len(HEADER))])]
        lines += [*(_row(row) for row in cells(single)), ""]
    lines += _grid([one for one in group.measurements if one.x is not None and not one.timed])
    lines += ["", *(f"{one.name}: {one.note}" for one in group.measurements if one.note)]
    for picture in pictures(group, docs / "images"):
        lines += ["", f"![{group.title}](images/{picture.name})"]
    if (docs / "images" / f"performance-{group.name}-flame.svg").is_file():
        lines += ["", f"[Where the time goes, as a flame graph](images/performance-{group.name}-flame.svg)"]
        lines[-1] += f" (`python -m benchmarks.{group.name}_flame`)."
    measured = " ".join(_measured(section.run, newest)).strip()
    return [*lines, f"\n{measured} Again: `python -m benchmarks {group.name}`\n"]


def _grid(lined: Sequence[Measurement]) -> Iterator[str]:
    """Figures measured over a parameter: a row for each line, a column for each value of the parameter."""
    if not lined:
        return
    values = sorted({one.x for one in lined if one.x is not None})
    yield _row(["what", "unit", *(f"{value:,.0f}" for value in values)])
    yield _row(["---", "---", *("---:" for _ in values)])
    found = {(one.unit, one.series, one.x): figure(one.value) for one in lined}
    for unit, series in dict.fromkeys((one.unit, one.series) for one in sorted(lined, key=lambda one: one.unit)):
        yield _row([series, unit, *(found.get((unit, series, value), "") for value in values)])
    yield f"\nAcross: {lined[0].x_unit}."


def _row(texts: tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(texts)} |"
