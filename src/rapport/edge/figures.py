"""What the edge counts, as Prometheus reads it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator

from rapport.edge.spool import Spool

__all__ = ["Figures"]


class Figures:
    """Counters of one process. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, tuple[tuple[str, str], ...]]] = Counter()
        self.problem = "nothing was forwarded yet"
        """Why the newest batch was not forwarded; "" when it was."""

    def add(self, name: str, amount: int = 1, **labels: str) -> None:
        with self._lock:
            self._counts[name, tuple(sorted(labels.items()))] += amount

    def total(self, name: str) -> int:
        """The sum of a counter over its labels."""
        with self._lock:
            return sum(amount for (known, _), amount in self._counts.items() if known == name)

    def render(self, spool: Spool) -> str:
        """The text format of Prometheus."""
        return "".join(f"{line}\n" for line in self._lines(spool))

    def _lines(self, spool: Spool) -> Iterator[str]:
        with self._lock:
            counts = sorted(self._counts.items())
        for (name, labels), amount in counts:
            inside = ",".join(f'{label}="{value}"' for label, value in labels)
            yield f"rapport_edge_{name}{{{inside}}} {amount}" if inside else f"rapport_edge_{name} {amount}"
        yield f"rapport_edge_buffer_bytes {spool.size}"
        yield f"rapport_edge_buffer_events {spool.events}"
        oldest_s = spool.oldest_s
        yield f"rapport_edge_buffer_age_seconds {0 if oldest_s is None else max(0.0, time.time() - oldest_s):.3f}"
        yield f"rapport_edge_uplink_up {0 if self.problem else 1}"
