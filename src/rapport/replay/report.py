"""What became of a file's rows: first by the mapping, then by ingest."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["Counts", "Outcome", "Progress", "ReplayReport", "outcome"]

_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a replay is.

    Attributes:
        done: rows handled.
        total: rows in all; an estimate from the bytes read until the file has been read to its end.
        rate: rows per second so far.
    """

    done: int
    total: int
    rate: float


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What a replay did.

    Attributes:
        origin: the name under which ingest counts this replay's events.
        given: rows of the file (items, when a list is exploded) within the window: published + dead letters + skipped.
        published: events put on the bus.
        dead_letters: rows that the mapping could not make events of, by reason; they are on the bus's dead letters.
        skipped: rows without a customer that the mapping says to skip.
        out_of_order: events older than one before, in a file that the mapping calls sorted.
        first_us, last_us: event times; None when nothing was published.
        replayed_before: how many events of this file ingest has seen in earlier replays of it.
        seconds: how long it took.
    """

    origin: str
    given: int
    published: int
    dead_letters: Mapping[str, int]
    skipped: int
    out_of_order: int
    first_us: int | None
    last_us: int | None
    replayed_before: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """The account of a replay: given = accepted + dead letters + skipped + pending."""

    given: int
    accepted: int
    dead_letters: Mapping[str, int]
    skipped: int = 0
    pending: int = 0
    """Published events that ingest has not handled yet."""

    def as_dict(self) -> dict[str, Any]:
        """For people and machines; skipped and pending only when there are any."""
        result: dict[str, Any] = {
            "given": self.given,
            "accepted": self.accepted,
            "dead_letters": dict(sorted(self.dead_letters.items())),
        }
        if self.skipped:
            result["skipped"] = self.skipped
        if self.pending:
            result["pending"] = self.pending
        return result


class Counts(Protocol):
    """The part of a bus that counts."""

    def counts(self, prefix: str = "") -> dict[str, int]: ...


def outcome(
    bus: Counts,
    report: ReplayReport,
    *,
    timeout_s: float = 0.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Outcome:
    """What ingest made of a replay, waiting at most `timeout_s` until it has handled every event.

    Raises:
        BusUnavailable
    """
    until = clock() + timeout_s
    while True:
        found = _outcome(bus, report)
        if not found.pending or clock() >= until:
            return found
        sleep(_POLL_S)


def _outcome(bus: Counts, report: ReplayReport) -> Outcome:
    prefix = f"origin:{report.origin}:"
    counts = {name.removeprefix(prefix): n for name, n in bus.counts(prefix).items()}
    accepted = counts.get("accepted", 0)
    dead = Counter({name.removeprefix("dead:"): n for name, n in counts.items() if name.startswith("dead:")})
    pending = report.published - accepted - dead.total()
    return Outcome(report.given, accepted, dead + Counter(report.dead_letters), report.skipped, pending)
