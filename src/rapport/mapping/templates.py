"""Templates of mapping files: text with `{column}` in it, `{$row}` for the row's number; nothing is evaluated."""

from __future__ import annotations

import re

__all__ = ["ROW", "template_columns", "template_parts"]

ROW = "$row"

_SLOT = re.compile(r"\{([^{}]+)\}")


def template_parts(template: str) -> tuple[str, list[str]]:
    """The template as a `str.format` pattern with positional slots, and the column of each slot.

    Raises:
        ValueError: a brace that opens or closes no slot.
    """
    if re.search(r"[{}]", _SLOT.sub("", template)):
        raise ValueError(f"{template!r} has a brace that is no part of a {{column}}")
    return _SLOT.sub("{}", template), _SLOT.findall(template)


def template_columns(template: str) -> list[str]:
    """The file's columns that a template names."""
    return [name for name in template_parts(template)[1] if name != ROW]
