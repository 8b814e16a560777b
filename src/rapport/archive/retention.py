"""How long each topic is kept, and letting go of what is older.

RAPPORT_RETENTION says it: `chat_messages=90 customer_clicks=400`, days of event time by topic; a topic that is not
named is kept for ever. Whole months are dropped from the log at once, the month that the limit is in is written anew
without the rows before it. Writers' positions stay. Versions that hold the rows go when they would anyway.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rapport.archive.layout import month_of
from rapport.archive.rewriting import count_rows, remove_rows
from rapport.archive.schema import TOPICS
from rapport.archive.store import Archive
from rapport.errors import SettingsError

if TYPE_CHECKING:
    from rapport.windows import Plan

__all__ = ["Retained", "TooShort", "parse_retention", "retain", "too_short"]

DAY_US = 86_400_000_000
_MOST_DAYS = 36_500


@dataclass(frozen=True, slots=True)
class Retained:
    """What retention does to one topic: rows before `before_us` (microseconds, UTC) go."""

    topic: str
    days: int
    before_us: int
    rows: int


@dataclass(frozen=True, slots=True)
class TooShort:
    """A view that looks further back than its topic is kept. `window_days` None: it has no window, and sees all."""

    view: str
    topic: str
    days: int
    window_days: float | None


def parse_retention(text: str) -> dict[str, int]:
    """Days by topic, of `topic=days` separated by spaces or commas.

    Raises:
        SettingsError: an unknown topic, one that is named twice, or days that are no number from 1 to 36,500.
    """
    found: dict[str, int] = {}
    for part in text.replace(",", " ").split():
        topic, _, days = part.partition("=")
        if topic not in TOPICS or topic in found:
            what = "is named twice" if topic in found else f"is no topic; topics are {', '.join(TOPICS)}"
            raise SettingsError(f"RAPPORT_RETENTION: {topic!r} {what}")
        if not days.isascii() or not days.isdigit() or not 1 <= int(days) <= _MOST_DAYS:
            raise SettingsError(f"RAPPORT_RETENTION: {part!r}: days are a whole number, 1 to {_MOST_DAYS:,}")
        found[topic] = int(days)
    return found


def too_short(kept: Mapping[str, int], plans: Mapping[str, Sequence[Plan]]) -> list[TooShort]:
    """The views that look further back than their topic is kept: history and rebuilds would lack events.

    Args:
        kept: days by topic.
        plans: the windowed views by topic.
    """
    return [
        TooShort(plan.view.name, topic, days, None if longest is None else longest / DAY_US)
        for topic, days in kept.items()
        for plan in plans.get(topic, ())
        if (longest := _longest_us(plan)) is None or longest > days * DAY_US
    ]


def retain(archive: Archive, kept: Mapping[str, int], now_us: int, *, dry_run: bool = False) -> list[Retained]:
    """Remove what is older than its topic is kept; returns what that is, by topic.

    Calling again finishes what was interrupted. Appends of a topic wait while its last month is written anew.

    Args:
        kept: days by topic.
        now_us: the present of the events, microseconds, UTC.
        dry_run: only count.
    """
    present = [topic for topic in archive.topics() if topic in kept]
    return [_retain(archive, topic, kept[topic], now_us, dry_run) for topic in present]


def _retain(archive: Archive, topic: str, days: int, now_us: int, dry_run: bool) -> Retained:
    table, before_us = archive.table(topic), now_us - days * DAY_US
    old = f"epoch_us(event_time) < {before_us}"
    if dry_run:
        return Retained(topic, days, before_us, count_rows(table, old))
    with table.changing() as months:
        rows = table.drop_before(month_of(before_us)) if months else 0
        rows += remove_rows(table, old)
    return Retained(topic, days, before_us, rows)


def _longest_us(plan: Plan) -> int | None:
    """How far back a view looks; None: it has no limit."""
    windows: Iterable[int | None] = [a.window_us and a.window_us + (a.slide_us or 0) for a in plan.view.aggregations]
    return None if None in windows else max(window or 0 for window in windows)
