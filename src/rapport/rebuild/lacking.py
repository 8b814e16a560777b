"""Which views lack their customers' past, by the record that the features flow keeps in Redis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import redis

from rapport.online import Keeping, Kept
from rapport.online.connect import reachable
from rapport.windows import Plan

__all__ = ["Lacking", "Unfinished", "anything_lacks", "lacking_views"]


@dataclass(frozen=True, slots=True)
class Lacking:
    """A view and how it is kept: `kept` is None while no flow has begun it in its present declaration."""

    topic: str
    plan: Plan
    kept: Kept | None

    @property
    def view(self) -> str:
        return self.plan.view.name


class Unfinished:
    """The views whose rebuild has begun and not ended: `rapport:rebuild:<project>`, view to layout.

    A view counts as complete before its last rows are looked at, since rows begun until then lack something. Whoever
    is killed in between leaves this note, and the next rebuild looks again.
    """

    def __init__(self, client: redis.Redis, project: str) -> None:
        self._client = client
        self._key = f"rapport:rebuild:{project}"

    def views(self) -> set[str]:
        """Raises StoreUnavailable."""
        with reachable("looking up unfinished rebuilds"):
            return {bytes(name).decode() for name in self._client.hkeys(self._key)}  # type: ignore[union-attr]

    def note(self, plans: Sequence[Plan]) -> None:
        with reachable("noting a rebuild"):
            self._client.hset(self._key, mapping={plan.view.name: plan.layout.hex() for plan in plans})

    def clear(self, plans: Sequence[Plan]) -> None:
        with reachable("noting a rebuild"):
            self._client.hdel(self._key, *(plan.view.name for plan in plans))


def lacking_views(keeping: Keeping, unfinished: Unfinished, plans: Mapping[str, Sequence[Plan]]) -> list[Lacking]:
    """The views whose rows may lack something, or that no flow has begun, by topic and name.

    Raises:
        StoreUnavailable
    """
    known, pending = keeping.all(), unfinished.views()
    found = []
    for topic, some in sorted(plans.items()):
        for plan in some:
            kept = known.get(plan.view.name)
            if kept is None or kept.layout != plan.layout.hex():
                found.append(Lacking(topic, plan, None))
            elif not kept.complete or plan.view.name in pending:
                found.append(Lacking(topic, plan, kept))
    return found


def anything_lacks(keeping: Keeping, unfinished: Unfinished) -> bool:
    """Whether a view is incomplete, by the record alone: no declaration is read."""
    return any(not kept.complete for kept in keeping.all().values()) or bool(unfinished.views())
