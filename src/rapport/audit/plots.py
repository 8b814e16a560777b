"""Small plots of an audit's page, as SVG text that needs nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from rapport.audit.report import NumberReport
from rapport.audit.span import LAST_WEEK
from rapport.audit.words import number

__all__ = ["days_plot", "hours_plot", "range_plot", "share_line"]

_WIDE, _HIGH, _FOOT = 520, 96, 16
_LINE_WIDE, _LINE_HIGH = 120, 22
_STRIP_WIDE, _STRIP_HIGH = 220, 22


def days_plot(days: Sequence[int], labels: Sequence[str]) -> str:
    """A bar for each day, the oldest first; the audited one and those of its weekday are marked."""
    most, step = max(days, default=0) or 1, _WIDE / max(len(days), 1)
    parts = []
    for i, (rows, label) in enumerate(zip(days, labels, strict=True)):
        ago = len(days) - 1 - i
        kind = "now" if not ago else "week" if ago % LAST_WEEK == 0 else "past"
        parts.append(_bar(kind, i * step, step - 2, rows / most, f"{label}: {rows:,} events"))
    parts += [_text(0, labels[0], "start"), _text(_WIDE, labels[-1], "end")] if labels else []
    return _svg(_WIDE, _HIGH + _FOOT, "events by day", parts)


def hours_plot(now: Sequence[int], before: Sequence[int], labels: Sequence[str]) -> str:
    """A bar for each hour of the window, and a line for the same hour last week."""
    most, step = max([*now, *before], default=0) or 1, _WIDE / max(len(now), 1)
    parts = [
        _bar("now", i * step, step - 2, rows / most, f"{label}: {rows:,} events, {week:,} last week")
        for i, (rows, week, label) in enumerate(zip(now, before, labels, strict=True))
    ]
    points = " ".join(f"{(i + 0.5) * step:.1f},{_y(week / most):.1f}" for i, week in enumerate(before))
    parts.append(f'<polyline class="lastweek" points="{points}"/>')
    parts += [_text(0, labels[0], "start"), _text(_WIDE, labels[-1], "end")] if labels else []
    return _svg(_WIDE, _HIGH + _FOOT, "events by hour", parts)


def share_line(shares: Sequence[float | None]) -> str:
    """Shares of days as a line, from 0 to the greatest of them; a day without events breaks nothing."""
    known = [(i, share) for i, share in enumerate(shares) if share is not None]
    most = max((share for _, share in known), default=0.0)
    if not most:
        return ""
    step = (_LINE_WIDE - 6) / max(len(shares) - 1, 1)
    places = [(3 + i * step, _LINE_HIGH - 3 - share / most * (_LINE_HIGH - 6)) for i, share in known]
    x, y = places[-1]
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    return _svg(
        _LINE_WIDE,
        _LINE_HIGH,
        "share missing by day",
        [f'<polyline class="spark" points="{points}"/>', f'<circle class="now" cx="{x:.1f}" cy="{y:.1f}" r="2.6"/>'],
    )


def range_plot(values: NumberReport) -> str:
    """Two boxes over one axis, history above now: a line from 1 % to 99 %, a box from 25 % to 75 %, a tick for half."""
    known = [value for value in (*values.now, *values.before) if value is not None]
    if not known:
        return ""
    place = _axis(min(known), max(known))
    parts = []
    for kind, quantiles, y in (("past", values.before, 6), ("now", values.now, 16)):
        places = [place(value) for value in quantiles if value is not None]
        if len(places) < len(quantiles):
            continue
        low, first, middle, third, high = places
        parts.append(f'<line class="{kind}" x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}"/>')
        width = max(third - first, 1.5)
        parts.append(f'<rect class="{kind}" x="{first:.1f}" y="{y - 4}" width="{width:.1f}" height="8"/>')
        parts.append(f'<line class="tick" x1="{middle:.1f}" x2="{middle:.1f}" y1="{y - 4}" y2="{y + 4}"/>')
    told = [number(value) if value is not None else "-" for value in (*values.before, *values.now)]
    title = f"<title>1, 25, 50, 75, 99 %: history {', '.join(told[:5])}; now {', '.join(told[5:])}</title>"
    return _svg(_STRIP_WIDE, _STRIP_HIGH, "distribution", [title, *parts])


def _axis(least: float, greatest: float) -> Callable[[float], float]:
    """From a value to its place: by its logarithm where values spread over decades."""
    wide = least > 0 and greatest / least > 100

    def scale(value: float) -> float:
        return math.log(value) if wide else value

    low, high = scale(least), scale(greatest)
    span = (high - low) or 1.0
    return lambda value: 4 + (scale(value) - low) / span * (_STRIP_WIDE - 8)


def _bar(kind: str, x: float, width: float, share: float, title: str) -> str:
    height = max(share * _HIGH, 0.0)
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{_HIGH - height:.1f}" width="{max(width, 1):.1f}" height="{height:.1f}">'
        f"<title>{title}</title></rect>"
    )


def _y(share: float) -> float:
    return _HIGH - share * _HIGH


def _text(x: float, text: str, anchor: str) -> str:
    return f'<text x="{x}" y="{_HIGH + _FOOT - 3}" text-anchor="{anchor}">{text}</text>'


def _svg(width: int, height: int, says: str, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="{says}">'
        f"{''.join(parts)}</svg>"
    )
