"""Reading the times of a file: a format and a zone, to microseconds and the RFC 3339 text of an event."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import NamedTuple
from zoneinfo import ZoneInfo

from rapport.clock import from_us, to_us
from rapport.mapping.convert import Cell, as_decimal, as_text, quoted
from rapport.mapping.rules import TimeRule

__all__ = ["EventTime", "TimeParser"]

_UNITS_US = {"seconds": 1_000_000, "milliseconds": 1_000, "microseconds": 1}


class EventTime(NamedTuple):
    """A time as microseconds since 1970 (UTC) and as an event's text."""

    us: int
    text: str


class TimeParser:
    """Parses one file's times."""

    def __init__(self, rule: TimeRule) -> None:
        self._zone = ZoneInfo(rule.zone)
        self._format = rule.format
        self._moment = self._choose()

    def __call__(self, value: Cell) -> EventTime:
        """Parse one cell that is not missing.

        A local time that a clock change skips or repeats is taken as if the change had not come yet.

        Raises:
            ValueError: the cell is not a time in the rule's format, or is not in the years 1 to 9999.
        """
        try:
            return self._parse(value)
        except (ValueError, OverflowError):
            raise ValueError(f"{quoted(value)} is not a time in the format {self._format}") from None

    def _parse(self, value: Cell) -> EventTime:
        if self._format in _UNITS_US and not isinstance(value, datetime):
            time_us = int(as_decimal(value) * _UNITS_US[self._format])
            moment = from_us(time_us)
        else:
            moment = self._aware(self._moment(value))
            time_us = to_us(moment)
        return EventTime(time_us, moment.isoformat().replace("+00:00", "Z"))

    def _aware(self, moment: datetime) -> datetime:
        return (moment if moment.tzinfo else moment.replace(tzinfo=self._zone)).astimezone(UTC)

    def _choose(self) -> Callable[[Cell], datetime]:
        pattern = self._format

        def parse(value: Cell) -> datetime:
            if isinstance(value, datetime):
                return value
            if isinstance(value, date):
                return datetime.combine(value, time())
            text = as_text(value)
            return datetime.fromisoformat(text) if pattern == "iso" else datetime.strptime(text, pattern)  # noqa: DTZ007

        return parse
