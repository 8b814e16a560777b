"""What surrounds the flows: how far groups are behind, Redis, the disk, and the supervised processes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping

import psutil
import redis
from prometheus_client.metrics_core import Metric
from redis.backoff import NoBackoff
from redis.retry import Retry

from rapport.bus import Bus, open_bus
from rapport.bus.redis_room import memory_of
from rapport.embedded import redis_url
from rapport.errors import BusError, ServiceError
from rapport.metrics.catalog import INSTALLATION
from rapport.metrics.families import add_value, empty
from rapport.processes import is_alive
from rapport.settings import Settings
from rapport.supervisor.lag import lags_by_partition
from rapport.supervisor.state import Health, Paths, State, read_state

__all__ = ["Surroundings"]

Values = dict[str, dict[tuple[str, ...], float]]
"""By metric and labels."""
_TIMEOUT_S = 2.0


class Surroundings:
    """Looks around when asked, at the bus and Redis at most once in a few seconds.

    Args:
        settings: the installation's.
        every_s: how old what is told of the bus and Redis may be, seconds.
    """

    def __init__(self, settings: Settings, *, every_s: float = 5.0) -> None:
        self._settings = settings
        self._every_s = every_s
        self._looked_at_s = -every_s
        self._servers: Values = {}
        self._bus: Bus | None = None
        self._redis: redis.Redis | None = None

    def families(self) -> Iterator[Metric]:
        """The metrics of INSTALLATION; one without a value is left out."""
        now_s = time.monotonic()
        if now_s - self._looked_at_s >= self._every_s:
            self._servers = {**self._lags(), **self._memory()}
            self._looked_at_s = now_s
        values = {**self._servers, **_disk(self._settings), **_services(read_state(Paths(self._settings).state))}
        for name, described in INSTALLATION.items():
            family = empty(name, described)
            for labels, value in values.get(name, {}).items():
                add_value(family, labels, value)
            if family.samples:
                yield family

    def _lags(self) -> Values:
        try:
            self._bus = self._bus or open_bus(self._settings, timeout_s=_TIMEOUT_S)
            lags = lags_by_partition(self._settings, self._bus)
        except (BusError, ServiceError):
            return {"rapport_bus_up": {(): 0}}
        by_labels: dict[tuple[str, ...], float] = {
            (group, topic, str(partition)): lag for (group, topic, partition), lag in lags.items()
        }
        return {"rapport_bus_up": {(): 1}, "rapport_lag_events": by_labels}

    def _memory(self) -> Values:
        try:
            self._redis = self._redis or _connect(self._settings)
            told: Mapping[str, int] = self._redis.info("memory")  # type: ignore[assignment]
            used, limit = memory_of(told)
        except (redis.RedisError, ServiceError):
            return {"rapport_redis_up": {(): 0}}
        return {
            "rapport_redis_up": {(): 1},
            "rapport_redis_memory_bytes": {(): used},
            "rapport_redis_memory_limit_bytes": {(): limit},
        }


def _connect(settings: Settings) -> redis.Redis:
    return redis.Redis.from_url(
        redis_url(settings),
        socket_timeout=_TIMEOUT_S,
        socket_connect_timeout=_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )


def _disk(settings: Settings) -> Values:
    try:
        usage = shutil.disk_usage(settings.data_dir)
    except OSError:
        return {}
    return {"rapport_disk_bytes": {(): usage.total}, "rapport_disk_free_bytes": {(): usage.free}}


def _services(state: State | None) -> Values:
    values: Values = {name: {} for name in INSTALLATION if name.startswith("rapport_service_")}
    for service in state.services if state else []:
        labels = (service.name,)
        values["rapport_service_up"][labels] = float(service.health is Health.OK)
        values["rapport_service_restarts"][labels] = service.restarts
        if service.process is None or not is_alive(service.process):
            continue
        try:
            process = psutil.Process(service.process.pid)
            family = [process, *process.children(recursive=True)]
            values["rapport_service_memory_bytes"][labels] = sum(one.memory_info().rss for one in family)
            # The time of those that have ended is in what their parents tell, so the sum never falls.
            values["rapport_service_cpu_seconds"][labels] = sum(sum(one.cpu_times()[:4]) for one in family)
        except psutil.Error:
            continue
    return values
