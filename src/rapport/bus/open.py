"""From settings to a bus: the one place that knows which implementation is in use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from rapport.bus.protocol import Bus

if TYPE_CHECKING:
    from rapport.settings import Settings

__all__ = ["OpenBus", "open_bus"]


class OpenBus(Bus, Protocol):
    """A bus with connections of its own."""

    def close(self) -> None:
        """Give the connections back."""


def open_bus(settings: Settings, *, timeout_s: float = 5.0) -> OpenBus:
    """The installation's bus. Nothing is connected until it is used.

    Args:
        settings: the installation's.
        timeout_s: longest wait for an answer of the bus, seconds; then BusUnavailable.

    Raises:
        ServiceError: the embedded Redis has never been started.
        SettingsError: an address or a file that cannot be right.
    """
    if settings.bus_url.startswith("kinesis://"):
        from rapport.bus.kinesis import KinesisBus

        return KinesisBus.of(settings, timeout_s=timeout_s)
    if settings.bus_url:
        from rapport.bus.kafka import KafkaBus

        return KafkaBus.of(settings, timeout_s=timeout_s)
    from rapport.bus.redis_streams import RedisStreamsBus
    from rapport.embedded import redis_url

    return RedisStreamsBus(
        redis_url(settings),
        partitions=settings.partitions,
        max_length=settings.bus_max_length,
        timeout_s=timeout_s,
    )
