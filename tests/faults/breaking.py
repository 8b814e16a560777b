"""What can be broken in a world, how, and what each is allowed to cost."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from rapport.clock import WORLD_CLOCK_KEY
from rapport.models import Pointer, sha256_of, write_pointer
from rapport.testing.faults import frozen
from rapport.testing.served import wait_for
from tests.faults.disks import filled
from tests.faults.world import World

__all__ = ["EVERYTHING", "FAULTS", "Fault"]

SLOW_S = 0.3
"""Longer than the service waits for the online store, in tests and in the table."""


class Fault(NamedTuple):
    """Something that breaks, until its block ends.

    Attributes:
        name, said: for the table.
        breaks: parts that do not work meanwhile, as Route.needs names them.
        degraded: causes that decisions name meanwhile, all of them.
        seen: a word of /health's problems, or a name there that is false, by which the service shows that it knows.
    """

    name: str
    said: str
    begin: Callable[[World], AbstractContextManager[object]]
    breaks: frozenset[str] = frozenset()
    degraded: tuple[str, ...] = ()
    seen: str = ""


@contextmanager
def _frozen(world: World) -> Iterator[None]:
    pid = world.project.redis.pid
    assert pid
    with frozen(pid):
        yield


def _both(of: Callable[[Any], AbstractContextManager[None]]) -> Callable[[World], AbstractContextManager[None]]:
    @contextmanager
    def begin(world: World) -> Iterator[None]:
        with of(world.bus), of(world.store):
            yield

    return begin


@contextmanager
def _no_memory(world: World) -> Iterator[None]:
    with world.project.client() as client:
        before = client.config_get("maxmemory")["maxmemory"]
        client.config_set("maxmemory", "1mb")
        try:
            yield
        finally:
            client.config_set("maxmemory", before)


@contextmanager
def _full_disk(world: World) -> Iterator[None]:
    """Redis notices at its next write, or after a second."""
    with world.project.client() as client, filled(world.data / "redis"):
        wait_for(lambda: _takes_no_writes(client), "Redis writes to a full disk", 20)
        yield


def _takes_no_writes(client: Any) -> bool:
    import redis

    try:
        client.set("filler", os.urandom(4096).hex())
    except redis.ResponseError as error:
        return "MISCONF" in str(error)
    return False


@contextmanager
def _replaced(path: Path, by: bytes | None) -> Iterator[None]:
    """A file has other content, or neither a file nor a folder is there."""
    away = path.with_name(path.name + ".away")
    path.rename(away)
    if by is not None:
        path.write_bytes(by)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        away.rename(path)
        # what follows files looks at their times
        os.utime(path)


def _file(of: Callable[[World], Path], by: bytes | None) -> Callable[[World], AbstractContextManager[None]]:
    return lambda world: _replaced(of(world), by)


@contextmanager
def _corrupt_model(world: World) -> Iterator[None]:
    """A champion is promoted whose file was damaged on its way."""
    folder = world.data / "models" / "escalation_risk"
    shutil.copytree(folder / "1", folder / "9")
    model = next(path for path in (folder / "9").iterdir() if path.name.startswith("model"))
    model.write_bytes(model.read_bytes()[:-100] + b"0" * 100)
    write_pointer(folder, Pointer("9", sha256_of(folder / "9" / "manifest.json")))
    try:
        yield
    finally:
        write_pointer(folder, Pointer("1", sha256_of(folder / "1" / "manifest.json")))
        shutil.rmtree(folder / "9")


def _clock(value: bytes | None) -> Callable[[World], AbstractContextManager[None]]:
    @contextmanager
    def begin(world: World) -> Iterator[None]:
        with world.project.client() as client:
            if value is None:
                client.rpush(WORLD_CLOCK_KEY, "a list")
            else:
                client.set(WORLD_CLOCK_KEY, value)
            try:
                yield
            finally:
                client.delete(WORLD_CLOCK_KEY)

    return begin


@contextmanager
def _no_platforms(world: World) -> Iterator[None]:
    world.platforms.status = 500
    try:
        yield
    finally:
        world.platforms.status = 200


_AT_START = ("Redis refuses", "models gone", "clock is no clock")


@contextmanager
def _everything(world: World) -> Iterator[None]:
    """All that a service may find when it starts, at once."""
    with ExitStack() as stack:
        for fault in FAULTS:
            if fault.name in _AT_START or fault.name.startswith("file "):
                stack.enter_context(fault.begin(world))
        yield


_REDIS = frozenset({"bus", "log"})
_LOST = ("features_unavailable",)

FAULTS: Sequence[Fault] = (
    Fault("nothing", "nothing is broken", lambda world: ExitStack()),
    Fault("Redis frozen", "SIGSTOP", _frozen, _REDIS, _LOST, "redis"),
    Fault("Redis refuses", "nobody listens", _both(lambda proxy: proxy.refusing()), _REDIS, _LOST, "redis"),
    Fault("Redis resets", "each connection is cut", _both(lambda proxy: proxy.resetting()), _REDIS, _LOST, "redis"),
    Fault(
        "Redis slow",
        f"answers come {SLOW_S:g} s late",
        _both(lambda proxy: proxy.slow(SLOW_S)),
        _REDIS,
        _LOST,
        "redis",
    ),
    Fault(
        "store refuses",
        "the online store alone; the bus works",
        lambda world: world.store.refusing(),
        degraded=_LOST,
        seen="redis",
    ),
    Fault("bus refuses", "the bus alone; the store works", lambda world: world.bus.refusing(), _REDIS, seen="bus"),
    Fault("Redis full", "maxmemory is reached, noeviction", _no_memory, frozenset({"bus"})),
    Fault("disk full", "of Redis: its append-only file, and with it the log", _full_disk, frozenset({"bus"})),
    Fault("models gone", "the folder is away", _file(lambda world: world.data / "models", None), seen="gone"),
    Fault("models corrupt", "a damaged file is promoted", _corrupt_model, seen="escalation_risk"),
    Fault(
        "file of the policy",
        "is no YAML",
        _file(lambda world: world.root / "policy" / "policy.yaml", b"\xff: ["),
        seen="policy",
    ),
    Fault(
        "file of chatbots", "is no YAML", _file(lambda world: world.root / "chatbots.yaml", b"\xff: ["), seen="chatbots"
    ),
    Fault(
        "file of a webhook",
        "is no YAML",
        _file(lambda world: world.root / "webhooks" / "shop.yaml", b"\xff: ["),
        frozenset({"mapping"}),
        seen="webhooks",
    ),
    Fault(
        "file of keys",
        "is no JSON",
        _file(lambda world: world.data / "access" / "keys.json", b'{"version": "\xff"'),
        seen="keys",
    ),
    Fault("clock is no clock", "rapport:clock holds words", _clock(b"noon \xff"), seen="clock"),
    Fault("clock is a list", "rapport:clock is of another type", _clock(None), seen="clock"),
    Fault("clock absurd", "rapport:clock runs 10^300 times as fast", _clock(b'{"rate": 1e300}'), seen="clock"),
    Fault("platforms fail", "Chatwoot and the Bot Framework answer 500", _no_platforms, frozenset({"platform"})),
)
EVERYTHING = Fault("everything", "all that a service may find when it starts", _everything, _REDIS, _LOST, "redis")
