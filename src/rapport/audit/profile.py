"""What is counted of a topic: everything that judging needs. It is never written down as it is.

Arrays have one entry a day: [0] is the audited window, [7] the same window last week, [28] the oldest. Sizes follow the
number of fields, not of events.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from rapport.audit.span import HISTORY_DAYS, Span

__all__ = ["DAYS", "LATENESS", "SHARES", "Counted", "Counts", "Floats", "Numbers", "Profile", "Refusal", "zeros"]

DAYS = HISTORY_DAYS + 1
LATENESS = "lateness_s"
"""The name of how long events were on their way, seconds, among a topic's numbers."""
Counts: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]


def zeros(*more: int) -> Counts:
    return np.zeros((DAYS, *more), np.int64)


@dataclass(slots=True)
class Counted:
    """How often each of some texts (shapes, or values) came: `counts` is int64[DAYS, len(names)].

    Attributes:
        complete: whether all of history's texts are among `names`; others are new then.
        rare: how many texts came once in history: what is still unseen is judged by them.
        labels: how each text is told: itself, or its shape where too few customers have it.
        left_out: int64[DAYS], rows whose text is not among `names`.
    """

    names: list[str]
    labels: list[str]
    counts: Counts
    complete: bool = True
    rare: int = 0
    left_out: Counts = dataclasses.field(default_factory=zeros)


SHARES = (0.01, 0.25, 0.5, 0.75, 0.99)
"""The quantiles that a number's distribution is told by."""


@dataclass(slots=True)
class Numbers:
    """A number's distribution, of the rows that have one.

    Attributes:
        given: int64[DAYS], rows with a value, of those that were looked at.
        low, high: int64[DAYS], rows below the 1st, or above the 99th percentile of history.
        quarters: int64[DAYS, 3], rows at or below each quartile of history.
        beyond: int64[DAYS], rows that are further out than history ever was, by as much again.
        now, before: quantiles at SHARES, of the audited window and of history; NaN where there is nothing.
        least, greatest: float64[DAYS], of all rows; NaN where there is none.
    """

    given: Counts
    low: Counts
    high: Counts
    quarters: Counts
    beyond: Counts
    now: Floats
    before: Floats
    least: Floats
    greatest: Floats


@dataclass(slots=True)
class Refusal:
    """Dead letters of one reason and field: int64[DAYS]."""

    reason: str
    field: str
    rows: Counts = dataclasses.field(default_factory=zeros)


@dataclass(slots=True)
class Profile:
    """One topic.

    Attributes:
        known: how many days before the audited one the topic existed, of 28; 0: it is new.
        rows: int64[DAYS]; hours: int64[DAYS, hours of the window].
        missing: by field, rows without a value.
        late, ahead: rows that arrived later than is allowed, and rows that claimed a time after their arrival.
        repeats: rows that repeat an earlier event of their id; conflicts: that have its id and differ; twins: that have
            another id, and customer, time and all else in common with an earlier one.
        thinned: share of the ids that repeats, conflicts and twins were looked for among, 0 to 1.
        checked: rows that repeats, conflicts and twins are of.
        sampled: rows that shapes, words and numbers are of.
        letters_known: how many days before the audited one dead letters are known of.
    """

    topic: str
    span: Span
    known: int = 0
    rows: Counts = dataclasses.field(default_factory=zeros)
    hours: Counts = dataclasses.field(default_factory=lambda: zeros(0))
    missing: dict[str, Counts] = dataclasses.field(default_factory=dict)
    late: Counts = dataclasses.field(default_factory=zeros)
    ahead: Counts = dataclasses.field(default_factory=zeros)
    repeats: Counts = dataclasses.field(default_factory=zeros)
    conflicts: Counts = dataclasses.field(default_factory=zeros)
    twins: Counts = dataclasses.field(default_factory=zeros)
    thinned: float = 1.0
    checked: Counts = dataclasses.field(default_factory=zeros)
    sampled: Counts = dataclasses.field(default_factory=zeros)
    shapes: dict[str, Counted] = dataclasses.field(default_factory=dict)
    words: dict[str, Counted] = dataclasses.field(default_factory=dict)
    numbers: dict[str, Numbers] = dataclasses.field(default_factory=dict)
    refused: list[Refusal] = dataclasses.field(default_factory=list)
    letters_known: int = 0
