"""docs/performance.md and its pictures, from a saved run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.frame import Measurement
from benchmarks.results import Group, Run
from benchmarks.show import HEADER, cells

__all__ = ["write_page"]

_HEAD = """# Performance

Written by `python -m benchmarks --page`; do not edit. Each figure stands beside a floor (the least that the same answer
could cost) or a peer (what does the same job), measured in the same run on the same machine: the ratios carry over to
another machine, the figures do not. "Times as good" is over 1 where Rapport is faster, whichever way the unit goes.
"""


def write_page(run: Run, docs: Path) -> Path:
    """Write `performance.md` and `images/performance-<benchmark>.svg` into the docs folder; returns the page's path."""
    lines = [_HEAD, *_machine(run)]
    for group in run.groups:
        if group.measurements:
            lines += _section(group, docs)
    path = docs / "performance.md"
    docs.mkdir(exist_ok=True)
    path.write_text("\n".join(lines).rstrip() + "\n")
    return path


def _machine(run: Run) -> Iterator[str]:
    machine = run.machine
    versions = ", ".join(f"{name} {version}" for name, version in sorted(machine.versions.items()))
    yield f"Measured on {run.time:%Y-%m-%d} at commit {run.commit}{', in quick mode' if run.quick else ''}: "
    yield f"{machine.processor}, {machine.cores} cores, {machine.memory_gb:g} GB, {machine.system}; "
    yield f"Python {machine.python}, {versions}."
    yield ""


def _section(group: Group, docs: Path) -> list[str]:
    lines = [f"## {group.title}", ""]
    lines += [_row(HEADER), _row(["---" if i in (0, 3, 4) else "---:" for i in range(len(HEADER))])]
    lines += [_row(row) for row in cells(group.measurements)]
    lines += ["", *(f"{one.name}: {one.note}" for one in group.measurements if one.note)]
    picture = _picture(group, docs / "images" / f"performance-{group.name}.svg")
    if picture is not None:
        lines += ["", f"![{group.title}](images/{picture.name})"]
    return [*lines, f"\nAgain: `python -m benchmarks {group.name}`\n"]


def _row(texts: tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _picture(group: Group, path: Path) -> Path | None:
    """Bars of each measurement and its peer, one panel per unit; None when nothing has a peer."""
    shown = [one for one in group.measurements if one.peer_value]
    if not shown:
        return None
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "rapport"
    from matplotlib import pyplot as plt

    units = sorted({one.unit for one in shown})
    figure, panels = plt.subplots(len(units), 1, figsize=(8, 1 + 0.7 * len(shown) + 0.6 * len(units)), squeeze=False)
    for unit, panel in zip(units, panels[:, 0], strict=True):
        _bars(panel, [one for one in shown if one.unit == unit], unit)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    return path


def _bars(panel: object, shown: list[Measurement], unit: str) -> None:
    from matplotlib.axes import Axes

    assert isinstance(panel, Axes)
    texts, values, colours = [], [], []
    for one in reversed(shown):
        texts += [one.peer, one.name]
        values += [one.peer_value or 0.0, one.value]
        colours += ["#b0b7c3", "#2563eb"]
    bars = panel.barh(range(len(texts)), values, color=colours)
    panel.set_yticks(range(len(texts)), texts)
    panel.bar_label(bars, fmt="{:,.3g}", padding=3)
    panel.set_xlabel(unit + (", logarithmic" if max(values) > 30 * min(values) else ""))
    if max(values) > 30 * min(values):
        panel.set_xscale("log")
    panel.margins(x=0.15)
    panel.spines[["top", "right"]].set_visible(False)
