"""Customers whose rows have been read at once, to be looked at one after the other.

The round trip is the same for many as for one. Decoding is cheaper for some together, but takes its time: a few are
decoded when the first of them is asked for, so that an event loop can do other work in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rapport.online.imagining import Imagine
from rapport.online.questions import Reply
from rapport.online.rows import FeatureRows
from rapport.online.together import OneRow

__all__ = ["ReadAhead"]

_TOGETHER = 8
Decode = Callable[[Sequence[Reply], int], FeatureRows]


class ReadAhead:
    """The rows of n customers as of one time.

    Args:
        replies: what Redis answered, customer by customer.
        decode: makes rows of some replies.
        imagine: what gives the features of one reply's customer with one more event.
        rows: all rows, when they are decoded already.
    """

    def __init__(
        self,
        replies: Sequence[Reply],
        as_of_us: int,
        decode: Decode,
        imagine: Callable[[Reply, int], Imagine],
        rows: FeatureRows | None = None,
    ) -> None:
        self._replies = replies
        self._as_of_us = as_of_us
        self._decode = decode
        self._imagine = imagine
        self._rows = rows
        self._begin, self._end = (0, len(replies)) if rows is not None else (0, 0)

    def __len__(self) -> int:
        return len(self._replies)

    def at(self, index: int) -> OneRow:
        """What `OnlineReader.read_one` gives for one of the customers."""
        if self._rows is None or not self._begin <= index < self._end:
            self._begin = index - index % _TOGETHER
            self._end = min(self._begin + _TOGETHER, len(self._replies))
            self._rows = self._decode(self._replies[self._begin : self._end], self._as_of_us)
        return OneRow(self._rows, index - self._begin, self._imagine(self._replies[index], self._as_of_us))
