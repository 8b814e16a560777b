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
        absent: views that have nothing on the customer; () without rows.
        at: the customer's place in `rows`.
    """

    rows: FeatureRows | None = None
    features: dict[str, FeatureValue] = field(default_factory=dict)
    age_s: float | None = None
    personal: bool = False
    degraded: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    at: int = 0


def known_from(rows: FeatureRows | None, as_of_us: int, at: int = 0) -> Known:
    """What `rows` say of the customer at a place (None: the store did not answer).

    A refusal of personalization, and a profile that cannot be read, leave nothing to use or to log.
    """
    if rows is None:
        return Known(degraded=(FEATURES_UNAVAILABLE,))
    damaged = tuple([view for view, places in rows.damaged.items() if at in places])
    codes = tuple([f"{FEATURES_CORRUPT}:{view}" for view in damaged])
    features = _values(rows, at)
    if features.get(CONSENT) == 0.0:
        return Known(degraded=(NO_CONSENT,))
    if _PROFILE in damaged:
        return Known(degraded=codes)
    absent = tuple([view for view, found in rows.status.items() if found[at] == MISSING])
    if len(absent) == len(rows.status):
        return Known(personal=True, degraded=(*codes, UNKNOWN_CUSTOMER))
    return Known(rows, features, _age_s(rows, as_of_us, at), True, codes, absent, at)


def _values(rows: FeatureRows, at: int) -> dict[str, FeatureValue]:
    # NaN is the one value that differs from itself
    numbers = [value if value == value else None for value in rows.vector[at].tolist()]
    values: dict[str, FeatureValue] = dict(zip(rows.names, numbers, strict=True))
    for name, texts in rows.strings.items():
        values[name] = texts[at]
    return values


def _age_s(rows: FeatureRows, as_of_us: int, at: int) -> float | None:
    newest_us = max([times.item(at) for view, times in rows.newest_us.items() if view != _PROFILE], default=0)
    return max(0, as_of_us - newest_us) / 1e6 if newest_us else None
