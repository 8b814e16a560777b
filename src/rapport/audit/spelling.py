"""Spellings of one value: `Web`, `web` and `web ` are twins, and each counts as a value of its own everywhere else."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from rapport.audit.profile import Counted, Counts, zeros

__all__ = ["Spellings", "spelled_otherwise"]


@dataclass(frozen=True, slots=True)
class Spellings:
    """Rows (int64[DAYS]) whose value is a rarer spelling of a more frequent one, and the most frequent such pair."""

    rows: Counts
    example: str


def spelled_otherwise(counted: Counted) -> Spellings | None:
    """The rarer spellings among a field's values; None without any."""
    groups: dict[str, list[int]] = {}
    for i, name in enumerate(counted.names):
        groups.setdefault(_plain(name), []).append(i)
    total = counted.counts.sum(axis=0)
    rows, pairs = zeros(), []
    for places in groups.values():
        usual, *others = sorted(places, key=lambda i: -int(total[i]))
        for i in others:
            rows += counted.counts[:, i]
            pairs.append((int(counted.counts[0, i]), counted.labels[i], counted.labels[usual]))
    if not pairs:
        return None
    _, rarer, usual_one = max(pairs)
    return Spellings(rows, f"{rarer!r} is spelled {usual_one!r} elsewhere")


def _plain(name: str) -> str:
    """What spellings of one value have in common: letters without case, width and spaces."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
