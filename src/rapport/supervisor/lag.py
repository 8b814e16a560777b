"""How far the consumers of the bus are behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rapport.bus.groups import consumers
from rapport.errors import BusError, ServiceError
from rapport.settings import Settings

if TYPE_CHECKING:
    from rapport.bus import Bus

__all__ = ["lags", "lags_by_partition"]


def lags(settings: Settings) -> dict[str, int]:
    """Records behind, by `group topic`; groups that are not behind are there with 0, and empty when the bus is down."""
    try:
        found = lags_by_partition(settings)
    except (BusError, ServiceError):
        return {}
    return {
        f"{group} {topic}": sum(behind for place, behind in found.items() if place[:2] == (group, topic))
        for group, topic in consumers(settings)
    }


def lags_by_partition(settings: Settings, bus: Bus | None = None) -> dict[tuple[str, str, int], int]:
    """Records behind, by group, topic and partition.

    Args:
        settings: the installation's.
        bus: its bus; None: one is opened.

    Raises:
        BusError, ServiceError
    """
    from rapport.bus import open_bus

    asked = bus or open_bus(settings)
    return {
        (group, topic, partition): asked.reader(topic, partition, asked.position(group, topic, partition)).lag()
        for group, topic in consumers(settings)
        for partition in range(asked.partitions(topic))
    }
