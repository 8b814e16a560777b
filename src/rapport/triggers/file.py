"""Where triggers are declared, and what can be told of that file at a glance.

For those who must not take long: the whole of it is read and checked in rapport.triggers.load.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["FILE", "TRIGGERS_TOPIC", "topics_in"]

FILE = "feature_repo/triggers.yaml"
"""From the root of a project."""
TRIGGERS_TOPIC = "triggers"
"""The topic of firings, keyed by customer."""


def topics_in(root: Path) -> tuple[str, ...]:
    """The event topics that the declared triggers look at, by name; none without triggers, or when the file is no YAML.
    Nothing else of it is checked."""
    path = root / FILE
    if not path.is_file():
        return ()
    import yaml

    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return ()
    return tuple(sorted(set(_topics(document))))


def _topics(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("topic"), str):
            yield node["topic"]
        for value in node.values():
            yield from _topics(value)
    elif isinstance(node, list):
        for value in node:
            yield from _topics(value)
