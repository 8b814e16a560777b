"""What a consistency report holds, and how it is counted together."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

import msgspec
import numpy as np

from rapport.consistency.compare import MATCH, MISMATCH, MISSING, Compared
from rapport.consistency.reasons import UNEXPLAINED

__all__ = ["ConsistencyReport", "Difference", "FeatureReport", "Tally"]

_MOST_DIFFERENCES = 3_000
_MOST_EXAMPLES = 5


class FeatureReport(msgspec.Struct, frozen=True):
    """One feature, by its full name: matches + mismatches + missing = the logged values that were compared.

    Attributes:
        missing: logged or recomputed as null, while the other side has a value.
        largest_difference: of the numbers that mismatch, logged minus recomputed, without its sign; None without any.
        reasons: reason to how many of `mismatches` and `missing` it explains.
        examples: decisions with values that nothing explains, a few.
    """

    name: str
    matches: int
    mismatches: int
    missing: int
    largest_difference: float | None
    reasons: dict[str, int]
    examples: tuple[str, ...] = ()

    @property
    def compared(self) -> int:
        return self.matches + self.mismatches + self.missing

    @property
    def unexplained(self) -> int:
        return self.reasons.get(UNEXPLAINED, 0)


class Difference(msgspec.Struct, frozen=True):
    """One number that mismatches: when, of which feature, both values, and why."""

    as_of_us: int
    feature: str
    logged: float
    recomputed: float
    reason: str


class ConsistencyReport(msgspec.Struct, frozen=True):
    """Logged decisions against history. Times are UTC microseconds of the world's clock.

    Attributes:
        since_us, until_us: of the decisions that were compared; None without any.
        decisions: how many were read; those under `apart` had nothing to compare.
        apart: why (a code of `degraded`, "anonymous") to how many decisions, or to how many decisions' views.
        not_replayed: plain views, whose values are pushed and not computed.
        waited_ms: largest and median time that events were in flight, milliseconds; None without any.
        differences: a sample of the numbers that mismatch.
    """

    since_us: int | None
    until_us: int | None
    decisions: int
    compared: int
    apart: dict[str, int]
    not_replayed: tuple[str, ...]
    in_flight_ms: float
    waited_ms: tuple[float, float] | None
    features: tuple[FeatureReport, ...]
    differences: tuple[Difference, ...]

    @property
    def reasons(self) -> dict[str, int]:
        """Reason to how many values it explains, all features together."""
        total: Counter[str] = Counter()
        for feature in self.features:
            total.update(feature.reasons)
        return dict(total)

    @property
    def unexplained(self) -> int:
        return sum(feature.unexplained for feature in self.features)


@dataclass
class _Count:
    outcomes: Counter[int] = field(default_factory=Counter)
    largest: float | None = None
    reasons: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)


class Tally:
    """Counts outcomes and reasons; its size follows the features, not the decisions."""

    def __init__(self) -> None:
        self._counts: dict[str, _Count] = {}
        self._random = random.Random(0)  # noqa: S311 - which differences are drawn, the same ones each time
        self._differences: list[Difference] = []
        self._seen = 0
        self._waited_us: Counter[int] = Counter()

    def outcome(self, feature: str, compared: Compared) -> None:
        """Count a feature's outcomes."""
        count = self._counts.setdefault(feature, _Count())
        count.outcomes.update(compared.outcomes.tolist())
        sizes = np.abs(compared.differences)
        if not np.isnan(sizes).all():
            largest = float(np.nanmax(sizes))
            count.largest = largest if count.largest is None else max(count.largest, largest)

    def reason(self, feature: str, reason: str, decision_id: str) -> None:
        """Count why one value differs."""
        count = self._counts[feature]
        count.reasons[reason] += 1
        if reason == UNEXPLAINED and len(count.examples) < _MOST_EXAMPLES:
            count.examples.append(decision_id)

    def difference(self, difference: Difference) -> None:
        """Keep a uniform sample of the numbers that mismatch."""
        self._seen += 1
        if len(self._differences) < _MOST_DIFFERENCES:
            self._differences.append(difference)
        elif (place := self._random.randrange(self._seen)) < _MOST_DIFFERENCES:
            self._differences[place] = difference

    def waited(self, waited_us: int) -> None:
        """Note how long an event was in flight; counted in tenths of a millisecond."""
        self._waited_us[waited_us // 100] += 1

    def waited_ms(self) -> tuple[float, float] | None:
        """The largest and the median time in flight, milliseconds."""
        if not self._waited_us:
            return None
        ordered = sorted(self._waited_us)
        half, passed = self._waited_us.total() / 2, 0
        for value in ordered:
            passed += self._waited_us[value]
            if passed >= half:
                break
        return max(map(abs, ordered)) / 10, value / 10

    def features(self) -> tuple[FeatureReport, ...]:
        """By name."""
        return tuple(_report(name, count) for name, count in sorted(self._counts.items()))

    def differences(self) -> tuple[Difference, ...]:
        return tuple(sorted(self._differences, key=lambda one: (one.as_of_us, one.feature)))


def _report(name: str, count: _Count) -> FeatureReport:
    return FeatureReport(
        name=name,
        matches=count.outcomes[MATCH],
        mismatches=count.outcomes[MISMATCH],
        missing=count.outcomes[MISSING],
        largest_difference=count.largest,
        reasons=dict(sorted(count.reasons.items())),
        examples=tuple(count.examples),
    )
