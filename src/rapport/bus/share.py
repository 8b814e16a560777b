"""Which partitions a process reads, when several processes share them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

__all__ = ["WHOLE", "Share"]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Share:
    """One of `count` equal shares: every place belongs to exactly one share, whoever computes it.

    Attributes:
        index: 0 to count - 1.
        count: how many shares there are.

    Raises:
        ValueError: there is no such share.
    """

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise ValueError(f"worker {self.index} of {self.count}: workers are counted from 0 to {self.count - 1}")

    def of(self, places: Sequence[_T]) -> list[_T]:
        """The places of this share."""
        return list(places[self.index :: self.count])


WHOLE = Share()
"""All there is: one process has everything."""
