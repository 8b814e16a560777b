"""How far the consumers of the bus are behind."""

from __future__ import annotations

from rapport.errors import BusError, ServiceError
from rapport.settings import Settings

__all__ = ["consumers", "lags"]


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
            for group, topic in consumers(settings)
        }
    except (BusError, ServiceError):
        return {}


def consumers(settings: Settings) -> list[tuple[str, str]]:
    """Each group of consumers and a topic that it reads."""
    from rapport.events.schema import TOPICS
    from rapport.triggers.file import TRIGGERS_TOPIC, topics_in

    found = [("ingest", topic) for topic in TOPICS]
    found += [(group, f"{topic}.checked") for group in ("features", "archive") for topic in TOPICS]
    found += [("triggers", f"{topic}.checked") for topic in topics_in(settings.root)]
    if settings.delivery_url:
        found.append(("delivery", TRIGGERS_TOPIC))
    return [*found, ("archive", "decisions")]
