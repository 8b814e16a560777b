"""A benchmark's pictures: bars of figures beside their peers, lines of figures measured over a parameter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.frame import Measurement
from benchmarks.results import Group
from benchmarks.show import figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["pictures"]

_OURS, _PEER = "#2563eb", "#b0b7c3"
_COLOURS = (_OURS, "#d97706", "#059669", "#7c3aed", "#dc2626")
_BYTES = ("B", "KB", "MB", "GB", "bytes")


def pictures(group: Group, folder: Path) -> Iterator[Path]:
    """Write `performance-<name>.svg` of what is a rate or a time, `…-memory.svg` of what is bytes, `…-lines.svg` of
    what was measured over a parameter, and `…-time.svg` of a run's course, each only when there is any of it."""
    lined = [one for one in group.measurements if one.x is not None and not one.timed]
    timed = [one for one in group.measurements if one.timed]
    single = [one for one in group.measurements if one.x is None]
    bytes_ = [one for one in single if _is_memory(one)]
    speeds = [one for one in single if one.peer_value and not _is_memory(one)]
    parts = (("", speeds, _bars), ("-memory", bytes_, _bars), ("-lines", lined, _lines), ("-time", timed, _course))
    for suffix, shown, draw in parts:
        if shown:
            yield _draw(folder / f"performance-{group.name}{suffix}.svg", shown, draw)


def _is_memory(one: Measurement) -> bool:
    return one.unit.partition(" ")[0] in _BYTES


def _draw(path: Path, shown: Sequence[Measurement], draw: Any) -> Path:
    """One panel per unit."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "rapport"
    from matplotlib import pyplot as plt

    units = sorted({one.unit for one in shown})
    by_unit = [[one for one in shown if one.unit == unit] for unit in units]
    heights = [0.8 + 0.6 * len(some) if draw is _bars else 2.6 for some in by_unit]
    drawn, panels = plt.subplots(
        len(units), 1, figsize=(8, sum(heights)), height_ratios=heights, squeeze=False, layout="constrained"
    )
    for some, panel in zip(by_unit, panels[:, 0], strict=True):
        draw(panel, some)
        panel.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn.savefig(path, metadata={"Date": None})
    plt.close(drawn)
    return path


def _bars(panel: Axes, shown: Sequence[Measurement]) -> None:
    """Each figure, below it its peer."""
    texts, values, colours = [], [], []
    for one in reversed(shown):
        if one.peer_value:
            texts, values, colours = [*texts, one.peer], [*values, one.peer_value], [*colours, _PEER]
        texts, values, colours = [*texts, one.name], [*values, one.value], [*colours, _OURS]
    bars = panel.barh(range(len(texts)), values, color=colours)
    panel.set_yticks(range(len(texts)), texts)
    panel.bar_label(bars, fmt="{:,.3g}", padding=3)
    wide = max(values) > 30 * min(values) > 0
    panel.set_xlabel(shown[0].unit + (", logarithmic" if wide else ""))
    if wide:
        panel.set_xscale("log")
    panel.margins(x=0.15)


def _lines(panel: Axes, shown: Sequence[Measurement]) -> None:
    """A line per series over a logarithmic parameter, from zero up unless they are far apart; dotted: the 99th
    percentile, where it fits."""
    top = 0.0
    lowest = min(one.value for one in shown)
    for colour, name in zip(_COLOURS * 10, dict.fromkeys(one.series for one in shown), strict=False):
        points = sorted((one.x or 0.0, one.value, one.p99) for one in shown if one.series == name)
        xs, ys = [x for x, _, _ in points], [y for _, y, _ in points]
        panel.plot(xs, ys, "o-", color=colour, label=name, markersize=4)
        if all(high is not None for _, _, high in points):
            panel.plot(xs, [high for _, _, high in points], ":", color=colour, linewidth=1)
        panel.annotate(figure(ys[-1]), (xs[-1], ys[-1]), xytext=(6, -3), textcoords="offset points", fontsize=8)
        top = max(top, *ys)
    panel.set_xscale("log")
    if top > 30 * lowest > 0:
        panel.set_yscale("log")
        panel.set_ylim(lowest / 2, top * 8)
    else:
        panel.set_ylim(0, top * 1.5)
    panel.set_xlabel(shown[0].x_unit)
    panel.set_ylabel(shown[0].unit)
    panel.grid(axis="y", alpha=0.3)
    if len({one.series for one in shown}) > 1:
        panel.legend(frameon=False, fontsize=8, loc="upper left", ncols=3)


def _course(panel: Axes, shown: Sequence[Measurement]) -> None:
    """A line per series over the seconds of one run."""
    for colour, name in zip(_COLOURS * 10, dict.fromkeys(one.series for one in shown), strict=False):
        points = sorted((one.x or 0.0, one.value) for one in shown if one.series == name)
        panel.plot([x for x, _ in points], [y for _, y in points], color=colour, label=name, linewidth=1.2)
    panel.set_ylim(bottom=0)
    panel.set_xlim(left=0)
    panel.set_xlabel(shown[0].x_unit)
    panel.set_ylabel(shown[0].unit)
    panel.grid(axis="y", alpha=0.3)
    panel.legend(frameon=False, fontsize=8, ncols=4)
