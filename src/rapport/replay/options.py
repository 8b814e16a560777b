"""How a file is replayed, and what a replay needs of a bus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rapport.bus.protocol import Message
from rapport.errors import MappingError
from rapport.replay.pace import ClockMode
from rapport.replay.sorting import RUN_EVENTS
from rapport.replay.window import TimeWindow

__all__ = ["Publisher", "ReplayOptions"]


class Publisher(Protocol):
    """The part of a bus that a replay needs."""

    def publish(self, messages: Sequence[Message]) -> None: ...

    def counts(self, prefix: str = "") -> dict[str, int]: ...


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """How a file is replayed.

    Attributes:
        speed: world seconds per second; None: as fast as the bus takes events.
        window: which rows, by their time.
        clock: what becomes of the world's clock.
        batch: events per call of the bus, 1 to 100,000.
        run_events: events held in memory while an unsorted file is sorted.
    """

    speed: float | None = None
    window: TimeWindow = field(default_factory=TimeWindow)
    clock: ClockMode = "keep"
    batch: int = 2_000
    run_events: int = RUN_EVENTS

    def __post_init__(self) -> None:
        if self.speed is not None and not 0 < self.speed <= 1e9:
            raise MappingError(f"speed {self.speed:g} is out of range: more than 0, at most 1e9 times real time")
        if not 1 <= self.batch <= 100_000:
            raise MappingError(f"batch {self.batch} is out of range: 1 to 100,000 events")
