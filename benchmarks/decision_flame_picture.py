"""Stacks of functions as a flame graph: one SVG without scripts, whose bars tell what they are when pointed at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from zlib import crc32

__all__ = ["picture"]

_WIDTH, _BAR, _MARGIN, _HEAD = 1_200, 17, 10, 40
_NARROWEST = 0.6
_LETTER = 6.2
_COLOURS = {"rapport/": "#2563eb", "bentos/": "#0ea5e9", "uvicorn/": "#d97706", "starlette/": "#f59e0b"}
_OTHER = "#b0b7c3"


@dataclass(slots=True)
class _Bar:
    name: str
    samples: int = 0
    above: dict[str, _Bar] = field(default_factory=dict)


def picture(stacks: Mapping[tuple[str, ...], int], title: str) -> str:
    """The SVG of stacks, outermost function first, to samples."""
    root = _Bar("")
    for stack, samples in sorted(stacks.items()):
        root.samples += samples
        bar = root
        for name in stack:
            bar = bar.above.setdefault(name, _Bar(name))
            bar.samples += samples
    scale = (_WIDTH - 2 * _MARGIN) / max(1, root.samples)
    bars = list(_bars(root, 0, 0, scale, root.samples))
    height = _HEAD + (max((depth for depth, _ in bars), default=0) + 1) * _BAR + _MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" font-family="monospace" '
            'font-size="10.5">',
            f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
            f'<text x="{_MARGIN}" y="18" font-size="14">{escape(title)}</text>',
            f'<text x="{_MARGIN}" y="33" fill="#555">{root.samples:,} samples; blue: Rapport, light blue: its routes, '
            "orange: uvicorn and Starlette, grey: the rest</text>",
            *(text.format(y=height - _MARGIN - (depth + 1) * _BAR) for depth, text in bars),
            "</svg>\n",
        ]
    )


def _bars(bar: _Bar, x: int, depth: int, scale: float, whole: int) -> Iterator[tuple[int, str]]:
    """Depth and SVG, with a place for y, of each bar that can be seen; `x`: samples to the left of it."""
    for one in bar.above.values():
        width = one.samples * scale
        if width >= _NARROWEST:
            yield depth, _drawn(one, _MARGIN + x * scale, width, whole)
            yield from _bars(one, x, depth + 1, scale, whole)
        x += one.samples


def _drawn(bar: _Bar, x: float, width: float, whole: int) -> str:
    said = f"{bar.name}: {100 * bar.samples / whole:.1f} %"
    fits = int(width / _LETTER) - 1
    shown = bar.name if len(bar.name) <= fits else bar.name[: max(0, fits - 1)] + "…" if fits > 3 else ""
    colour = next((colour for path, colour in _COLOURS.items() if path in bar.name), _OTHER)
    shade = 0.55 + crc32(bar.name.encode()) % 40 / 100
    text = _braced(escape(shown))
    return (
        f"<g><title>{_braced(escape(said))}</title>"
        f'<rect x="{x:.1f}" y="{{y}}" width="{width:.1f}" height="{_BAR - 1}" fill="{colour}" '
        f'fill-opacity="{shade:.2f}"/>'
        f'<text x="{x + 3:.1f}" y="{{y}}" dy="12">{text}</text></g>'
    )


def _braced(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
