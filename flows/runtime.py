"""What the flows of one process share: made once, at the entry point."""

from __future__ import annotations

import atexit
import gc
import logging
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from flows.check import Claim
from flows.helpless import end_with_code
from rapport.access import require_safe
from rapport.archive import Archive
from rapport.bus import Bus, open_bus
from rapport.bus.seen import SeenEvents
from rapport.bus.share import WHOLE, Share
from rapport.embedded import redis_url
from rapport.events.formats import Formats, open_formats
from rapport.metrics.measures import Measures
from rapport.metrics.snapshot import snapshots_folder
from rapport.redis_clock import RedisClock
from rapport.settings import Settings, disable_telemetry, load_settings

__all__ = ["Runtime", "keep_out_of_the_collectors_way", "make_runtime", "open_runtime", "stop_on_signals"]

_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Runtime:
    """What flows need of the world.

    Attributes:
        settings: the installation's.
        bus: the bus.
        world_us: the world's time at a system time, microseconds.
        claim: looks into the memory of event ids.
        forget: lets go of what the process remembers of a partition of a topic, to be read again from Redis.
        archive: the event archive.
        formats: decodes events of registered schemas; None: there is no Schema Registry.
        share: the partitions that this process reads, of those that workers share out.
        measures: what the stages measure.
        stop: set when the flows shall end.
    """

    settings: Settings
    bus: Bus
    world_us: Callable[[int], int]
    claim: Claim
    forget: Callable[[str, int], None]
    archive: Archive
    formats: Formats | None = None
    share: Share = WHOLE
    measures: Measures = field(default_factory=Measures)
    stop: threading.Event = field(default_factory=threading.Event)


def make_runtime(settings: Settings, share: Share = WHOLE, name: str = "flows") -> Runtime:
    """The runtime of an installation; connects to nothing yet. `name` is what the process's figures go by.

    Raises:
        SettingsError: the settings are not safe for production.
    """
    require_safe(settings, serves=False)
    client = redis.Redis.from_url(
        redis_url(settings),
        socket_timeout=_TIMEOUT_S,
        socket_connect_timeout=_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )
    bus = open_bus(settings, timeout_s=_TIMEOUT_S)
    seen = SeenEvents(client, bus.continues)
    return Runtime(
        settings=settings,
        bus=bus,
        world_us=RedisClock(client).at,
        claim=seen.claim,
        forget=seen.forget,
        archive=Archive(settings.data_dir / "archive"),
        formats=open_formats(settings),
        share=share,
        measures=Measures(name, snapshots_folder(settings)),
    )


def open_runtime(share: Share = WHOLE, name: str = "flows") -> Runtime:
    """The runtime for a process of its own: settings from the environment, log to stderr, SIGTERM ends the flows.

    `name` is what the process's figures go by, and no other process of the machine may have.
    """
    disable_telemetry()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    end_with_code()
    runtime = make_runtime(load_settings(), share, name)
    stop_on_signals(runtime.stop)
    atexit.register(lambda: runtime.measures.close() if runtime.stop.is_set() else None)
    return runtime


def keep_out_of_the_collectors_way() -> None:
    """Call when all is loaded: the imports leave millions of objects, and a full collection would walk them all."""
    gc.collect()
    gc.freeze()
    # What is frozen would be left over when the process ends, and libraries complain of that.
    atexit.register(gc.unfreeze)
    gc.set_threshold(50_000, 20, 100)


def stop_on_signals(stop: threading.Event) -> None:
    """Let SIGTERM and SIGINT set `stop`: the flows finish what they hold, and end."""

    def ask(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
