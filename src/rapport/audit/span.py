"""Which time an audit is about: a window of at most a day, and the same window of each of the 28 days before.

Windows are of arrival, by the world's clock: what came in. A window that has passed never changes again, however late
events are. Day 0 is the audited one, day 7 the same window last week.
"""

from __future__ import annotations

from dataclasses import dataclass

from rapport.errors import SettingsError

__all__ = ["DAY_US", "HISTORY_DAYS", "HOUR_US", "LAST_WEEK", "Span"]

DAY_US = 86_400_000_000
HOUR_US = 3_600_000_000
HISTORY_DAYS = 28
"""How many days before the audited one are looked at: four weeks."""
LAST_WEEK = 7


@dataclass(frozen=True, slots=True)
class Span:
    """A window of arrival [until - length, until), microseconds, UTC.

    Raises:
        SettingsError: the length is not a whole number of hours from 1 to 24.
    """

    until_us: int
    length_us: int = DAY_US

    def __post_init__(self) -> None:
        if not HOUR_US <= self.length_us <= DAY_US or self.length_us % HOUR_US:
            raise SettingsError(
                f"a window of {self.length_us / HOUR_US:g} hours cannot be audited: give whole hours, 1h to 24h"
            )

    @property
    def since_us(self) -> int:
        return self.until_us - self.length_us

    @property
    def first_us(self) -> int:
        """Where the oldest window begins."""
        return self.since_us - HISTORY_DAYS * DAY_US

    @property
    def hours(self) -> int:
        return self.length_us // HOUR_US

    def start_us(self, day: int) -> int:
        """Where the window of a day begins."""
        return self.since_us - day * DAY_US

    def day_sql(self, time_us: str) -> str:
        """DuckDB's expression for the day whose window a time is in, for times in [first_us, until_us); null: in
        none."""
        age = f"({self.until_us - 1} - {time_us})"
        return f"CASE WHEN {age} % {DAY_US} < {self.length_us} THEN {age} // {DAY_US} END"

    def hour_sql(self, time_us: str) -> str:
        """DuckDB's expression for the hour of its window that a time is in, from 0 on."""
        return f"({self.length_us - 1} - ({self.until_us - 1} - {time_us}) % {DAY_US}) // {HOUR_US}"

    def day_of(self, time_us: int) -> int | None:
        """The day whose window a time is in; None: in none."""
        day, rest = divmod(self.until_us - 1 - time_us, DAY_US)
        return day if 0 <= day <= HISTORY_DAYS and rest < self.length_us else None
