"""A windowed view as a service reads it."""

from __future__ import annotations

from dataclasses import dataclass

from rapport.online.keys import TILES, field_of
from rapport.windows import Kind, Plan

__all__ = ["WindowedView"]


@dataclass(frozen=True, slots=True)
class WindowedView:
    """A windowed view as a service reads it: its plan, and which of its features, in order."""

    plan: Plan
    features: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.plan.view.name

    @property
    def kinds(self) -> tuple[Kind, ...]:
        return tuple(self.plan.kinds[self.plan.names.index(feature)] for feature in self.features)

    @property
    def fields(self) -> list[bytes]:
        return [field_of(self.name, TILES)]
