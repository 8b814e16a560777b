"""What is known of a customer at the time of a decision: features, their age, consent, and what is missing."""

from __future__ import annotations

from dataclasses import dataclass, field

from rapport.decisions.degraded import (
    FEATURES_CORRUPT,
    FEATURES_UNAVAILABLE,
    NO_CONSENT,
    UNKNOWN_CUSTOMER,
)
from rapport.decisions.record import FeatureValue
from rapport.decisions.situation import CONSENT
from rapport.online import MISSING, FeatureRows

__all__ = ["Known", "known_from"]

_PROFILE = "profile"


@dataclass(frozen=True, slots=True)
class Known:
    """What may be used of a customer.

    Attributes:
        rows: the features read, for models; None: decide without.
        features: full name to value, numbers as floats; {} without rows.
        age_s: seconds from the newest event to the decision; None without any.
        personal: whether this decision may be logged with the customer's id and data.
        degraded: codes of what is missing.
    """

    rows: FeatureRows | None = None
    features: dict[str, FeatureValue] = field(default_factory=dict)
    age_s: float | None = None
    personal: bool = False
    degraded: tuple[str, ...] = ()

    @property
    def absent(self) -> tuple[str, ...]:
        """Views that have nothing on the customer; () without rows."""
        if self.rows is None:
            return ()
        return tuple([view for view, found in self.rows.status.items() if found[0] == MISSING])

    def has_any(self, views: frozenset[str]) -> bool:
        """Whether one of these views has something on the customer."""
        rows = self.rows
        return rows is not None and any(rows.status[view][0] != MISSING for view in views if view in rows.status)


def known_from(rows: FeatureRows | None, as_of_us: int) -> Known:
    """What `rows` (one customer's; None: the store did not answer) say.

    A refusal of personalization, and a profile that cannot be read, leave nothing to use or to log.
    """
    if rows is None:
        return Known(degraded=(FEATURES_UNAVAILABLE,))
    damaged = tuple([f"{FEATURES_CORRUPT}:{view}" for view, places in rows.damaged.items() if 0 in places])
    features = _values(rows)
    if features.get(CONSENT) == 0.0:
        return Known(degraded=(NO_CONSENT,))
    if _PROFILE in rows.damaged:
        return Known(degraded=damaged)
    found = [status[0] for status in rows.status.values()]
    if found.count(MISSING) == len(found):
        return Known(personal=True, degraded=(*damaged, UNKNOWN_CUSTOMER))
    return Known(rows, features, _age_s(rows, as_of_us), personal=True, degraded=damaged)


def _values(rows: FeatureRows) -> dict[str, FeatureValue]:
    values: dict[str, FeatureValue] = dict(zip(rows.names, rows.vector[0].tolist(), strict=True))
    # NaN is the one value that differs from itself
    values.update([(name, None) for name, value in values.items() if value != value])
    for name, texts in rows.strings.items():
        values[name] = texts[0]
    return values


def _age_s(rows: FeatureRows, as_of_us: int) -> float | None:
    newest_us = max([times.item(0) for view, times in rows.newest_us.items() if view != _PROFILE], default=0)
    return max(0, as_of_us - newest_us) / 1e6 if newest_us else None
