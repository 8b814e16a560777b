"""Taking only the rows of a span of time out of a file."""

from __future__ import annotations

from dataclasses import dataclass

from rapport.mapping.convert import Cell
from rapport.mapping.distinct import each
from rapport.mapping.rules import TimeRule
from rapport.mapping.times import TimeParser
from rapport.replay.rows import Chunk

__all__ = ["TimeWindow", "newest_us"]


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """Event times from `since_us` (included) to `until_us` (not included); None: no bound."""

    since_us: int | None = None
    until_us: int | None = None

    def cut(self, chunk: Chunk, rule: TimeRule) -> Chunk:
        """The chunk's rows within the window.

        A row that has no readable time belongs to the window that has no beginning: so a file cut in two is given
        once.
        """
        if self.since_us is None and self.until_us is None:
            return chunk
        parse = TimeParser(rule)

        def holds(cell: Cell) -> bool:
            try:
                return self.holds(parse(cell).us)
            except ValueError:
                return self.since_us is None

        cells = chunk.columns.get(rule.column) or [None] * len(chunk)
        kept = [i for i, held in enumerate(each(holds, cells)) if (self.since_us is None if held is None else held)]
        return Chunk(
            {name: [column[i] for i in kept] for name, column in chunk.columns.items()},
            [chunk.rows[i] for i in kept],
            [chunk.lines[i] for i in kept],
            [chunk.parts[i] for i in kept] if chunk.parts is not None else None,
            chunk.rejected if self.since_us is None else [],
        )

    def holds(self, time_us: int) -> bool:
        if self.since_us is not None and time_us < self.since_us:
            return False
        return self.until_us is None or time_us < self.until_us


def newest_us(chunk: Chunk, rule: TimeRule) -> int:
    """The newest readable time of a chunk, microseconds; 0 when there is none."""
    parse = TimeParser(rule)

    def time_of(cell: Cell) -> int:
        try:
            return parse(cell).us
        except ValueError:
            return 0

    return max((time_us or 0 for time_us in each(time_of, chunk.columns.get(rule.column) or [])), default=0)
