"""Sends a world's events to the bus as an unreliable upstream does: out of order, some twice, through outages."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa

from rapport.bus import Bus, Message
from rapport.errors import BusError, BusUnavailable
from tests.chaos.world import CHUNK, TOPICS, Chunk, World

_NEAR = 8
"""Chunks are sent out of order and repeated within this many: seconds, where an id is remembered for ten minutes."""
_MOST_WAITING = 40_000
_REPEATED = 0.06


@dataclass(slots=True)
class Attempt:
    """One call of publish. `known` is False when its answer was lost: the bus has all of it, a part, or nothing."""

    records: int
    refused: dict[str, int]
    known: bool = False


@dataclass(slots=True)
class Sent:
    """What was sent: attempts by origin, each a name of its own, and what must come of the good events."""

    attempts: dict[str, Attempt] = field(default_factory=dict)
    truth: dict[str, list[pa.Table]] = field(default_factory=lambda: {topic: [] for topic in TOPICS})
    records: int = 0
    events: int = 0
    """Good events, each counted once."""


class Producer(threading.Thread):
    """Sends all of a world, then ends; `sent` may be read while it runs.

    Args:
        bus: where to.
        world: what.
        settled: how many records have been ingested so far; the producer stays close ahead of that.
    """

    def __init__(self, bus: Bus, world: World, settled: Callable[[], int]) -> None:
        super().__init__(daemon=True)
        self.sent = Sent()
        self.error: BaseException | None = None
        self.stop = threading.Event()
        self.enough = threading.Event()
        """Set: nothing new is begun, and what has been sent is all there is."""
        self._bus = bus
        self._world = world
        self._settled = settled
        self._rng = random.Random(world.seed)

    def run(self) -> None:
        try:
            for first in range(0, self._world.chunks, _NEAR):
                numbers = list(range(first, min(first + _NEAR, self._world.chunks)))
                self._rng.shuffle(numbers)
                if self.enough.is_set():
                    return
                self._send_near(numbers)
        except BaseException as error:  # told to whoever waits for this thread
            self.error = error

    def _send_near(self, numbers: list[int]) -> None:
        again: list[tuple[str, list[Message], dict[str, int]]] = []
        for number in numbers:
            chunk = self._world.chunk(number)
            self.sent.events += CHUNK
            for topic, table in chunk.truth.items():
                self.sent.truth[topic].append(table)
            self._send(f"{number}", chunk.messages, chunk.refused)
            if self._rng.random() < 0.5:
                again.append((f"{number} again", self._repeats(chunk), {}))
        self._rng.shuffle(again)
        for name, messages, refused in again:
            self._send(name, messages, refused)

    def _repeats(self, chunk: Chunk) -> list[Message]:
        """Some of the chunk's good events, as they were."""
        good = chunk.messages[: len(chunk.messages) - sum(chunk.refused.values())]
        return self._rng.sample(good, int(len(good) * self._rng.random() * 4 * _REPEATED))

    def _send(self, name: str, messages: list[Message], refused: dict[str, int]) -> None:
        """Publish until the bus has said that it has them: a lost answer makes all of them come twice."""
        turn = 0
        while not self.stop.is_set():
            if self.sent.records - self._settled() > _MOST_WAITING:
                time.sleep(0.02)
                continue
            origin = f"{name} {turn}"
            attempt = self.sent.attempts[origin] = Attempt(len(messages), refused)
            turn += 1
            try:
                self._bus.publish([message._replace(origin=origin) for message in messages])
            except BusUnavailable:
                time.sleep(0.1)
                continue
            except BusError:
                del self.sent.attempts[origin]
                time.sleep(0.1)
                continue
            attempt.known = True
            self.sent.records += len(messages)
            return
