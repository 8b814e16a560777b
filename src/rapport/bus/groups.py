"""Which groups of consumers read which topics."""

from __future__ import annotations

from rapport.events.schema import TOPICS

__all__ = ["consumers", "groups_of"]

_CHECKED = (".checked", ("features", "archive"))


def consumers() -> list[tuple[str, str]]:
    """Each group of consumers and a topic that it reads."""
    suffix, groups = _CHECKED
    found = [("ingest", topic) for topic in TOPICS]
    found += [(group, topic + suffix) for group in groups for topic in TOPICS]
    return [*found, ("archive", "decisions")]


def groups_of() -> dict[str, tuple[str, ...]]:
    """The groups that read each topic."""
    return {topic: tuple(group for group, read in consumers() if read == topic) for _, topic in consumers()}
