"""What the demo measures: decisions as the asker sees them, and how soon an event can be read."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rapport.errors import RapportError

if TYPE_CHECKING:
    from rapport.bus import Bus
    from rapport.clock import Clock
    from rapport.online import OnlineReader

__all__ = ["Measures", "percentile", "probe_freshness"]

_PROBE_TIMEOUT_S = 5.0
_PROBE_GAP_S = 0.02


@dataclass(slots=True)
class Measures:
    """Figures of one demo; times in milliseconds where not said otherwise."""

    began_s: float = field(default_factory=time.monotonic)
    history_events: int = 0
    history_s: float = 0.0
    first_decision_s: float | None = None
    champions_s: float | None = None
    freshness_ms: list[float] = field(default_factory=list)
    decisions: int = 0
    failed: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    versions: dict[str, Counter[str]] = field(default_factory=dict)
    """Model to how many decisions each of its versions scored."""
    firings: dict[str, int] = field(default_factory=dict)
    """Trigger to how often it fired."""
    promoted: dict[str, str] = field(default_factory=dict)
    report: str = ""
    addresses: list[tuple[str, str]] = field(default_factory=list)

    def since_began_s(self) -> float:
        return time.monotonic() - self.began_s


def percentile(values: Sequence[float], percent: float) -> float | None:
    """The smallest value that `percent` of the values do not exceed; None without values."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def probe_freshness(
    bus: Bus, reader: OnlineReader, clock: Clock, *, probes: int, stopped: Callable[[], bool] = lambda: False
) -> list[float]:
    """Publish clicks of new customers, one at a time, and read until each can be read; milliseconds each."""
    import secrets

    from rapport.clock import from_us
    from rapport.events.schema import CustomerClick
    from rapport.simulate import to_message

    run = secrets.token_hex(4)
    found = []
    for number in range(probes):
        if stopped():
            break
        name = f"probe-{run}-{number}"
        event = CustomerClick(event_id=name, customer_id=name, event_time=from_us(clock.now_us()), action="view")
        started = time.perf_counter()
        bus.publish([to_message("customer_clicks", event, "probe")])
        while time.perf_counter() - started < _PROBE_TIMEOUT_S:
            try:
                rows = reader.read([name], clock.now_us())
            except RapportError:
                continue
            if rows.status["click_activity"][0] == "present":
                found.append((time.perf_counter() - started) * 1_000)
                break
        time.sleep(_PROBE_GAP_S)
    return found
