"""A table of coloured cells as SVG, written out: a hundred bytes a cell; drawing libraries take a thousand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

__all__ = ["picture"]

_WIDE, _HIGH, _LEFT, _TOP = 45, 22, 210, 90


def picture(
    columns: Sequence[str], lines: Sequence[str], cells: Sequence[Sequence[tuple[str, str]]], legend: Mapping[str, str]
) -> str:
    """The text of an SVG file.

    Args:
        cells: for each column, from above, (colour, text).
        legend: colour to what it means.
    """
    wide, high = _LEFT + _WIDE * len(columns) + 80, _TOP + _HIGH * len(lines)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high + 40}" width="{wide}" font-size="8"'
            ' font-family="sans-serif" text-anchor="middle">',
            '<rect width="100%" height="100%" fill="#fff"/>',
            *(_heading(x, name) for x, name in enumerate(columns)),
            *(
                f'<text x="{_LEFT - 6}" y="{_base(y)}" text-anchor="end">{escape(at)}</text>'
                for y, at in enumerate(lines)
            ),
            *(_cell(x, y, *cell) for x, column in enumerate(cells) for y, cell in enumerate(column)),
            *(_meaning(n, high + 15, *one) for n, one in enumerate(legend.items())),
            "</svg>\n",
        ]
    )


def _heading(x: int, name: str) -> str:
    at = f"{_LEFT + _WIDE * x + _WIDE // 2} {_TOP - 6}"
    return f'<text transform="translate({at}) rotate(-45)" text-anchor="start">{escape(name)}</text>'


def _cell(x: int, y: int, colour: str, text: str) -> str:
    left = _LEFT + _WIDE * x
    box = f'x="{left}" y="{_TOP + _HIGH * y}" width="{_WIDE - 1}" height="{_HIGH - 1}"'
    return f'<rect {box} fill="{colour}"/><text x="{left + _WIDE // 2}" y="{_base(y)}">{escape(text)}</text>'


def _meaning(number: int, y: int, colour: str, said: str) -> str:
    left = _LEFT + 150 * number
    box = f'<rect x="{left}" y="{y}" width="16" height="12" fill="{colour}"/>'
    return f'{box}<text x="{left + 22}" y="{y + 9}" text-anchor="start">{escape(said)}</text>'


def _base(y: int) -> int:
    """Where a line's text stands."""
    return _TOP + _HIGH * y + _HIGH // 2 + 3
