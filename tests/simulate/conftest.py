"""Worlds that several tests look at, lived once."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from rapport.events.schema import Event
from rapport.simulate import World

from .learn import DAY_US

START_US = 20_000 * DAY_US
Lived = Sequence[tuple[str, Event]]


def live(seed: int, customers: int, days: int) -> Lived:
    return list(World(seed, customers).history(START_US, START_US + days * DAY_US))


def last_month(shift: float) -> Lived:
    """Thirty days that begin as ordinary ones do, then thirty with a shift: the latter."""
    world = World(7, 500)
    list(world.history(START_US, START_US + 30 * DAY_US))
    world.shift = shift
    return list(world.history(START_US + 30 * DAY_US, START_US + 60 * DAY_US))


@pytest.fixture(scope="session")
def ordinary() -> Lived:
    return last_month(0.0)


@pytest.fixture(scope="session")
def crisis() -> Lived:
    return last_month(1.0)
