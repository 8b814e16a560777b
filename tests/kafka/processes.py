"""Workers, an archive and producers over Kafka, as processes that are forked from one that has imported everything."""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from multiprocessing.queues import Queue
from pathlib import Path

from bytewax.testing import run_main

from rapport.bus import open_bus
from rapport.errors import BusUnavailable
from rapport.settings import load_settings
from tests.chaos.world import World

__all__ = ["forking", "start_archive", "start_producer", "start_triggers", "start_worker"]

Environment = dict[str, str]


def forking() -> ForkServerContext:
    """Where the processes come from."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "flows.worker", "rapport.feast.catalog", "tests.chaos.warm"])
    return context


def start_worker(environment: Environment, log: Path, index: int = 0, count: int = 1) -> BaseProcess:
    """Ingest and features."""
    return _started(_work, environment, str(log), index, count)


def start_archive(environment: Environment, log: Path) -> BaseProcess:
    return _started(_archive, environment, str(log))


def start_triggers(environment: Environment, log: Path) -> BaseProcess:
    return _started(_triggers, environment, str(log))


def start_producer(
    environment: Environment, world: World, share: tuple[int, int], known: Queue[tuple[int, int]]
) -> BaseProcess:
    """Sends its share of a world's chunks, a third of the good events twice; tells how many records the bus confirmed,
    and how many it may have or not."""
    return _started(_produce, environment, world, share, known)


def _started(target: object, *arguments: object) -> BaseProcess:
    process = forking().Process(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
    process.start()
    return process


def _work(environment: Environment, log: str, index: int, count: int) -> None:
    from flows.worker import flow

    _become(environment, log)
    run_main(flow(index, count))


def _archive(environment: Environment, log: str) -> None:
    from flows.archive import flow

    _become(environment, log)
    run_main(flow())


def _triggers(environment: Environment, log: str) -> None:
    from flows.triggers import flow

    _become(environment, log)
    run_main(flow())


def _become(environment: Environment, log: str) -> None:
    os.environ.update(environment)
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)


def _produce(environment: Environment, world: World, share: tuple[int, int], known: Queue[tuple[int, int]]) -> None:
    bus = open_bus(load_settings(environment), timeout_s=20.0)
    confirmed = doubtful = 0
    for number in range(share[0], world.chunks, share[1]):
        chunk = world.chunk(number)
        again = chunk.messages[: (len(chunk.messages) - sum(chunk.refused.values())) // 3] if number % 4 == 0 else []
        for messages in (chunk.messages, again):
            while True:
                try:
                    bus.publish(messages)
                    confirmed += len(messages)
                    break
                except BusUnavailable:
                    # Kafka may have none of them, some, or all: they are sent again, and ids tell.
                    doubtful += len(messages)
    known.put((confirmed, doubtful))
    known.close()
    known.join_thread()
