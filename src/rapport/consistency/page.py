"""The report as a page that needs nothing else: shares of each feature as bars, differences as a scatter over time."""

from __future__ import annotations

import math
from collections.abc import Iterable
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from rapport.clock import from_us
from rapport.consistency.reasons import (
    DEFINITION_CHANGED,
    ERASED,
    FEATURES_STALE,
    IN_FLIGHT,
    LATE_EVENT,
    REASONS,
    REBUILDING,
    UNEXPLAINED,
    UNKNOWN_DEFINITION,
)
from rapport.consistency.report import ConsistencyReport, Difference, FeatureReport
from rapport.consistency.words import notes

__all__ = ["page_of", "write_page"]

KEPT_PAGES = 50
"""Newest pages that a folder of reports keeps."""

_CLASSES = {
    LATE_EVENT: "late",
    IN_FLIGHT: "flight",
    FEATURES_STALE: "stale",
    REBUILDING: "rebuilding",
    DEFINITION_CHANGED: "changed",
    ERASED: "erased",
    UNKNOWN_DEFINITION: "unknown",
    UNEXPLAINED: "unexplained",
}
_WIDTH, _HEIGHT, _LEFT, _BELOW = 1060, 320, 70, 30
_LOWEST = 1e-6
"""Relative differences below this are drawn at the bottom."""


def write_page(report: ConsistencyReport, path: Path) -> Path:
    """Write the page, and drop the oldest of its folder's pages; returns the page's path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page_of(report))
    if path.parent.name == "consistency":
        for old in sorted(path.parent.glob("*.html"))[:-KEPT_PAGES]:
            old.unlink()
    return path


def page_of(report: ConsistencyReport) -> str:
    """The page's text. Customers are not in it; decisions are, by their ids."""
    shown = [reason for reason in REASONS if reason in report.reasons]
    template = Template(files("rapport.consistency").joinpath("page.html").read_text())
    return template.substitute(
        when=_when(report),
        tiles="".join(_tiles(report)),
        notes="".join(f"<p>{escape(note)}</p>" for note in notes(report)),
        legend="".join(_legend(shown)),
        rows="".join(_rows(report.features, shown)),
        scatter_says=_scatter_says(report),
        scatter=_scatter(report.differences),
        meanings="".join(f"<tr><td>{escape(name)}</td><td>{escape(text)}</td></tr>" for name, text in REASONS.items()),
    )


def _when(report: ConsistencyReport) -> str:
    if report.since_us is None or report.until_us is None:
        return "No decision could be compared."
    first, last = from_us(report.since_us), from_us(report.until_us)
    return f"Decisions from {first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S} UTC"


def _tiles(report: ConsistencyReport) -> Iterable[str]:
    compared = sum(feature.compared for feature in report.features)
    matches = sum(feature.matches for feature in report.features)
    yield _tile(f"{report.compared:,}", f"of {report.decisions:,} decisions compared")
    yield _tile(f"{compared:,}", "values compared")
    yield _tile(_percent(matches, compared), "equal to history")
    yield _tile(f"{compared - matches - report.unexplained:,}", "differ, explained")
    yield _tile(f"{report.unexplained:,}", "unexplained", "bad" if report.unexplained else "")


def _tile(figure: str, text: str, kind: str = "") -> str:
    return f'<div class="tile {kind}"><b>{figure}</b>{text}</div>'


def _legend(shown: Iterable[str]) -> Iterable[str]:
    yield '<span><i class="match"></i>equal</span>'
    for reason in shown:
        yield f'<span><i class="{_CLASSES[reason]}"></i>{reason}</span>'


def _rows(features: Iterable[FeatureReport], shown: list[str]) -> Iterable[str]:
    last = ""
    for one in features:
        view, _, feature = one.name.partition("__")
        if view != last:
            yield f'<tr class="view"><td colspan="6">{escape(view)}</td></tr>'
            last = view
        largest = "" if one.largest_difference is None else _figure(one.largest_difference)
        yield (
            f'<tr><td>{escape(feature)}</td><td class="bars">{_bar(one, shown)}</td><td class="n">{one.compared:,}</td>'
            f'<td class="n">{one.mismatches:,}</td><td class="n">{one.missing:,}</td><td class="n">{largest}</td></tr>'
        )


def _bar(one: FeatureReport, shown: list[str]) -> str:
    parts = [("equal", "match", one.matches)]
    parts += [(reason, _CLASSES[reason], one.reasons.get(reason, 0)) for reason in shown]
    spans = (
        f'<span class="{kind}" style="flex:{n}" title="{name}: {n:,} ({_percent(n, one.compared)})"></span>'
        for name, kind, n in parts
        if n
    )
    return f'<div class="bar">{"".join(spans)}</div>'


def _scatter_says(report: ConsistencyReport) -> str:
    if not report.differences:
        return "No number differs."
    return (
        f"{len(report.differences):,} numbers that differ, each by its share of the larger of the two values; point at "
        "one for its feature and both values."
    )


def _scatter(differences: tuple[Difference, ...]) -> str:
    if not differences:
        return ""
    first, last = differences[0].as_of_us, differences[-1].as_of_us
    span = max(1, last - first)
    parts = [f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="differences over time">']
    for power in range(-6, 1, 2):
        y = _y(10.0**power)
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{_share(power)}</text>')
    for one in differences:
        x = _LEFT + 10 + (one.as_of_us - first) / span * (_WIDTH - _LEFT - 20)
        title = f"{one.feature}: logged {one.logged:,.10g}, history {one.recomputed:,.10g} ({one.reason})"
        parts.append(
            f'<circle class="{_CLASSES[one.reason]}" cx="{x:.1f}" cy="{_y(_relative(one)):.1f}" r="3.5">'
            f"<title>{escape(title)}</title></circle>"
        )
    for moment, x, anchor in ((first, _LEFT + 10, "start"), (last, _WIDTH - 10, "end")):
        parts.append(
            f'<text x="{x}" y="{_HEIGHT - 6}" text-anchor="{anchor}">{from_us(moment):%Y-%m-%d %H:%M:%S}</text>'
        )
    return "".join([*parts, "</svg>"])


def _relative(one: Difference) -> float:
    return abs(one.logged - one.recomputed) / max(abs(one.logged), abs(one.recomputed))


def _y(share: float) -> float:
    """Where a share is drawn: logarithmic from _LOWEST to 2."""
    place = (math.log10(max(share, _LOWEST)) - math.log10(_LOWEST)) / (math.log10(2) - math.log10(_LOWEST))
    return (_HEIGHT - _BELOW) - place * (_HEIGHT - _BELOW - 12)


def _share(power: int) -> str:
    return f"{10.0 ** (power + 2):g} %"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"


def _percent(part: int, whole: int) -> str:
    """A share that is not quite all never shows as 100 %."""
    if not whole:
        return "-"
    share = part / whole * 100
    return f"{share:.3g} %" if share in (0.0, 100.0) or share < 99 else f"{math.floor(share * 1e4) / 1e4:.4f} %"
