"""A steady load of clicks, and between its slices something that is sent and then looked for."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

from benchmarks.live_world import CUSTOMERS, LiveWorld, click
from rapport.bus import Message

__all__ = ["Seen", "paced"]

SLICE_S = 0.005
EVERY_S = 0.05
LAST_WITHIN_S = 30.0

Seen: TypeAlias = Callable[[], bool]
"""Looks once whether what was sent has arrived, and notes how long it took."""


def paced(
    world: LiveWorld,
    name: str,
    pace: int,
    seconds: float,
    send_in_turn: Sequence[Callable[[list[Message]], Seen]],
    *,
    look_s: float,
) -> None:
    """Send clicks of many customers at a steady pace, and every 50 ms each of some watched things in turn.

    Args:
        world: the installation.
        name: what the clicks' ids begin with.
        pace: clicks per second.
        seconds: for how long.
        send_in_turn: each publishes a slice of the load and what it watches, and gives how to look for that.
        look_s: time between two looks, seconds.
    """
    rng = random.Random(pace)
    started, number, turn = time.perf_counter(), 0, 0
    seen: Seen | None = None
    while (elapsed := time.perf_counter() - started) < seconds:
        due = int(elapsed * pace)
        load = [click(f"{name} {n}", f"c{rng.randrange(CUSTOMERS)}") for n in range(number, due)]
        number = due
        slice_end = time.perf_counter() + SLICE_S
        if seen is None and turn < elapsed / EVERY_S * len(send_in_turn):
            seen = send_in_turn[turn % len(send_in_turn)](load)
            turn += 1
        elif load:
            world.bus.publish(load)
        while seen is not None and time.perf_counter() < slice_end:
            if seen():
                seen = None
            else:
                time.sleep(look_s)
        time.sleep(max(0.0, slice_end - time.perf_counter()))
    # The last one counts however late it is.
    last = time.perf_counter() + LAST_WITHIN_S
    while seen is not None and not seen() and time.perf_counter() < last:
        time.sleep(look_s)
