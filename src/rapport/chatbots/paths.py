"""Values by path in what a platform sends. Names are found in either casing: `userId` also finds `user_id`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["at", "block", "first_text", "text_of"]

_HUMP = re.compile(r"(?<=[a-z0-9])([A-Z])")
_UNDERSCORE = re.compile(r"_([a-z0-9])")
_MOST_STEPS = 16


def at(value: Any, path: str) -> Any:
    """The value at a path like `payload.users.0.id`; None where there is none. At most 16 steps are gone."""
    for step in path.split(".", _MOST_STEPS):
        if isinstance(value, Mapping):
            value = _named(value, step)
        elif isinstance(value, list) and step.isdecimal() and len(step) < 6 and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def block(value: Any, path: str) -> Mapping[str, Any]:
    """The object at a path; an empty one where there is none, or something else."""
    found = at(value, path)
    return found if isinstance(found, Mapping) else {}


def first_text(value: Any, paths: Iterable[str]) -> str | None:
    """The first text (or whole number, as text) at one of the paths; None where there is none."""
    return next((text for path in paths if (text := text_of(at(value, path))) is not None), None)


def text_of(value: Any) -> str | None:
    """A text that is not blank, or a whole number as text: Google's structs have all numbers as floats."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value.strip() else None


def _named(value: Mapping[str, Any], name: str) -> Any:
    if name in value:
        return value[name]
    for other in (_UNDERSCORE.sub(lambda match: match[1].upper(), name), _HUMP.sub(r"_\1", name).lower()):
        if other in value:
            return value[other]
    return None
