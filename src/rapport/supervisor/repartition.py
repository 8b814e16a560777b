"""Another number of partitions for an installation that has data."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rapport.bus.groups import consumers
from rapport.embedded import EmbeddedRedis, redis_url
from rapport.errors import ServiceError, SettingsError
from rapport.project import project_name
from rapport.settings import Settings
from rapport.supervisor.control import status

if TYPE_CHECKING:
    import redis

__all__ = ["repartition"]


def repartition(settings: Settings, partitions: int) -> Settings:
    """Change the number of partitions while nothing runs and nothing waits; returns the settings to go on with.

    A customer's next event may go to another partition than its last one. That is safe when every group has read
    everything: the row's mark of the old partition can be forgotten, as nothing behind it will be read again. What a
    row lacks is known by its partition, so no view may wait for its past.

    Raises:
        ServiceError: the installation runs, or a view waits for its past.
        SettingsError: a number that is not allowed, or settings that are not those of the bus.
        BusError: records wait to be read.
    """
    if not 1 <= partitions <= 256:
        raise SettingsError(f"{partitions} partitions: 1 to 256 are allowed")
    if settings.bus_url.startswith("kafka://"):
        raise SettingsError(
            "the bus is Kafka, whose topics keep their number of partitions here: docs/kafka.md says how to move to "
            "topics with another one"
        )
    if status(settings) is not None:
        raise ServiceError("the partitions cannot change while their workers run: `rapport down` first")
    import redis

    from rapport.bus.redis_streams import RedisStreamsBus
    from rapport.bus.seen import share_seen
    from rapport.dead_letters import DEAD_LETTERS
    from rapport.events.schema import TOPICS
    from rapport.online import WRITE_TIMEOUT_S

    with _redis(settings) as url:
        with redis.Redis.from_url(url, socket_timeout=WRITE_TIMEOUT_S) as client:
            _check_views(settings, client)
            if not settings.bus_url:
                share_seen(client, TOPICS, settings.partitions, partitions)
        bus = RedisStreamsBus(url, partitions=settings.partitions)
        # The marks of dead letters have one key, whose partition is 0 however many there are.
        # Raw topics on Kinesis are not here; ingest finds a customer's partition whatever its shard is.
        bus.repartition(partitions, consumers(settings), [DEAD_LETTERS])
        bus.close()
    return dataclasses.replace(settings, partitions=partitions)


def _check_views(settings: Settings, client: redis.Redis) -> None:
    from rapport.online import Keeping

    project = project_name(settings.root)
    lacking = [view for view, kept in Keeping(client, project).all().items() if not kept.complete]
    if lacking:
        raise ServiceError(f"the rows of {', '.join(sorted(lacking))} lack their past: `rapport rebuild` first")


@contextmanager
def _redis(settings: Settings) -> Iterator[str]:
    """The installation's Redis; the embedded one is started for as long as it is needed."""
    if settings.redis_url:
        yield settings.redis_url
        return
    server = EmbeddedRedis(settings.data_dir / "redis")
    server.start()
    try:
        yield redis_url(settings)
    finally:
        server.stop()
