"""The declared views that a flow keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rapport.windows import Plan

__all__ = ["Declared"]


@dataclass(frozen=True, slots=True)
class Declared:
    """What the Feast registry declares: the project's name, and the plans of windowed views by topic."""

    project: str
    plans: Mapping[str, Sequence[Plan]]

    def all_plans(self) -> Iterator[Plan]:
        for plans in self.plans.values():
            yield from plans
