"""How far the consumers of the bus are behind."""

from __future__ import annotations

from rapport.bus.groups import consumers
from rapport.errors import BusError, ServiceError
from rapport.settings import Settings

__all__ = ["lags"]


def lags(settings: Settings) -> dict[str, int]:
    """Records behind, by `group topic`; groups that are not behind are there with 0, and empty when the bus is down."""
    from rapport.bus import open_bus

    try:
        bus = open_bus(settings)
        return {
            f"{group} {topic}": sum(
                bus.reader(topic, partition, bus.position(group, topic, partition)).lag()
                for partition in range(bus.partitions(topic))
            )
            for group, topic in consumers()
        }
    except (BusError, ServiceError):
        return {}
