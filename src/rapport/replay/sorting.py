"""Sorting a file's events by time in bounded memory: sorted runs on disk, merged."""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import IO

import msgspec

from rapport.replay.translate import MappedEvent

__all__ = ["RUN_EVENTS", "TimeSorter"]

RUN_EVENTS = 200_000
"""Events held in memory at a time, some 400 bytes each; more go to temporary files as sorted runs."""

_BLOCK = 500
_time = itemgetter(0)
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[MappedEvent])


class TimeSorter:
    """Takes events in any order, gives them in order of time; equal times stay as they came. A context manager."""

    def __init__(self, run_events: int = RUN_EVENTS) -> None:
        self._limit = run_events
        self._held: list[MappedEvent] = []
        self._runs: list[IO[bytes]] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def runs_on_disk(self) -> int:
        return len(self._runs)

    def add(self, events: Iterable[MappedEvent]) -> None:
        before = len(self._held)
        self._held.extend(events)
        self._count += len(self._held) - before
        if len(self._held) >= self._limit:
            self._spill()

    def __iter__(self) -> Iterator[MappedEvent]:
        self._held.sort(key=_time)
        return heapq.merge(*map(_read, self._runs), self._held, key=_time)

    def __enter__(self) -> TimeSorter:
        return self

    def __exit__(self, *_: object) -> None:
        for run in self._runs:
            run.close()

    def _spill(self) -> None:
        self._held.sort(key=_time)
        run = tempfile.TemporaryFile(prefix="rapport-replay-")  # noqa: SIM115 - closed on exit
        for start in range(0, len(self._held), _BLOCK):
            block = _encoder.encode(self._held[start : start + _BLOCK])
            run.write(len(block).to_bytes(4, "little") + block)
        self._runs.append(run)
        self._held = []


def _read(run: IO[bytes]) -> Iterator[MappedEvent]:
    run.seek(0)
    while size := run.read(4):
        yield from _decoder.decode(run.read(int.from_bytes(size, "little")))
