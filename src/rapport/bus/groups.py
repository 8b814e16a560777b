"""Which groups of consumers read which topics."""

from __future__ import annotations

from rapport.events.schema import TOPICS
from rapport.settings import Settings
from rapport.triggers.file import TRIGGERS_TOPIC, topics_in

__all__ = ["consumers", "groups_of"]

_CHECKED = (".checked", ("features", "archive"))


def consumers(settings: Settings | None = None) -> list[tuple[str, str]]:
    """Each group of consumers and a topic that it reads.

    Args:
        settings: of an installation, for the groups that there are only where triggers are declared.
    """
    suffix, groups = _CHECKED
    found = [("ingest", topic) for topic in TOPICS]
    found += [(group, topic + suffix) for group in groups for topic in TOPICS]
    if settings is not None:
        found += [("triggers", topic + suffix) for topic in topics_in(settings.root) if topic in TOPICS]
        if settings.delivery_url:
            found.append(("delivery", TRIGGERS_TOPIC))
    return [*found, ("archive", "decisions")]


def groups_of(settings: Settings | None = None) -> dict[str, tuple[str, ...]]:
    """The groups that read each topic."""
    every = consumers(settings)
    return {topic: tuple(group for group, read in every if read == topic) for _, topic in every}
