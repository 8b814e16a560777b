"""simulate: a believable live world, for when there is no file."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from rapport.cli.common import Json, settings_now
from rapport.cli.output import emit, progress, say, table

if TYPE_CHECKING:
    from rapport.bus import Bus
    from rapport.cli.living import Asker
    from rapport.cli.output import Progress
    from rapport.clock import Clock
    from rapport.settings import Settings
    from rapport.simulate import World

__all__ = ["simulate"]

_DAY_US = 86_400_000_000
_SHOW_EVERY_S = 0.2
_CLOCK_LEAD_S = 1.5


def simulate(
    minutes: Annotated[float, typer.Option(help="How long to live on, minutes of this machine's time.", min=0)] = 5,
    customers: Annotated[int, typer.Option(help="1 to 1,000,000.", min=1, max=1_000_000)] = 1_000,
    history: Annotated[float, typer.Option(metavar="DAYS", help="Days of history to publish first.", min=0)] = 0,
    rate: Annotated[float, typer.Option(help="World seconds per second; see below.", min=1, max=100_000)] = 1,
    shift: Annotated[float, typer.Option(help="0: the ordinary world; 1: a crisis of deliveries.", min=0, max=1)] = 0,
    seed: Annotated[int, typer.Option(help="Another seed is another world.", min=0)] = 7,
    ask: Annotated[bool, typer.Option(help="Ask the service for a decision on every message.")] = True,
    as_json: Json = False,
) -> None:
    """Let a simulated world live: customers click, buy, write, complain, and react to what they are answered.

    It lives by the installation's world clock. A thousand customers cause an event a minute or so; a `--rate` above 1
    makes that clock run faster, for every process, and it stays ahead of the machine's afterwards.

    Example: rapport simulate --history 90 --minutes 2 --rate 3600
    """
    from rapport.bus import open_bus
    from rapport.cli.living import Asker, publish_history
    from rapport.cli.worldtime import world_clock
    from rapport.client import Client
    from rapport.simulate import World

    settings = settings_now()
    clock = world_clock(settings)
    bus = open_bus(settings)
    world = World(seed, customers, shift=shift)
    origin = f"simulate:{secrets.token_hex(4)}"
    now_us = clock.now_us()
    past = 0
    if history:
        start_us = now_us - round(history * _DAY_US)
        with progress("publishing history") as show:
            events = world.history(start_us, now_us)
            past = publish_history(
                bus,
                events,
                origin,
                lambda n, at_us: show((at_us - start_us) // _DAY_US, round(history), f"{n:,} events"),
            )
    with (
        Client.of(settings) as client,
        progress("living") as show,
        _at_rate(settings, clock, now_us, rate) as clock,
    ):
        asker = Asker(client)
        live = _live(bus, world, clock, asker if ask else None, minutes, origin, show)
    _report(settings, asker, past, live, as_json)


def _live(
    bus: Bus, world: World, clock: Clock, asker: Asker | None, minutes: float, origin: str, show: Progress
) -> int:
    from rapport.cli.living import publish_patiently
    from rapport.simulate import to_message

    ends_s = time.monotonic() + minutes * 60
    done, show_at_s = 0, 0.0

    def sleep(seconds: float) -> None:
        if time.monotonic() >= ends_s:
            raise _TimeIsUpError
        time.sleep(seconds)

    answer = asker or (lambda customer, session: {"tone": "neutral", "template_id": "neutral_help"})
    try:
        for topic, event in world.live(answer, clock, sleep=sleep):
            publish_patiently(bus, [to_message(topic, event, origin)])
            done += 1
            now_s = time.monotonic()
            if now_s >= ends_s:
                break
            if now_s >= show_at_s:
                show_at_s = now_s + _SHOW_EVERY_S
                elapsed = minutes * 60 - (ends_s - now_s)
                show(round(elapsed), round(minutes * 60), f"{done:,} events, {asker.asked if asker else 0:,} decisions")
    except _TimeIsUpError:
        pass
    return done


@contextmanager
def _at_rate(settings: Settings, clock: Clock, from_us: int, rate: float) -> Iterator[Clock]:
    """The world's clock at another rate, from a moment on; in real time again afterwards."""
    from rapport.cli.worldtime import publish_clock
    from rapport.clock import WorldClock

    if rate == 1:
        yield clock
        return
    # Every process looks the clock up now and then: it starts when all have seen it.
    faster = WorldClock(time.time_ns() // 1_000 + round(_CLOCK_LEAD_S * 1e6), from_us, rate)
    publish_clock(settings, faster)
    time.sleep(_CLOCK_LEAD_S)
    try:
        yield faster
    finally:
        now_us = time.time_ns() // 1_000
        publish_clock(settings, WorldClock(now_us, faster.at(now_us), 1.0))


class _TimeIsUpError(Exception):
    """The simulated minutes are over."""


def _report(settings: Settings, asker: Asker, past: int, live: int, as_json: bool) -> None:
    import numpy as np

    times = np.array(asker.latencies_ms)
    middle, slow = (float(x) for x in np.percentile(times, [50, 99])) if len(times) else (None, None)
    result = {
        "history": past,
        "events": live,
        "decisions": asker.asked,
        "failed": asker.failed,
        "decision_p50_ms": middle,
        "decision_p99_ms": slow,
    }
    if as_json:
        emit(result)
    else:
        table(("simulated", ""), list(result.items()))
    if asker.failed:
        say(f"{asker.failed:,} questions had no answer; the last one: {asker.last_failure}")
