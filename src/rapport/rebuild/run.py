"""A rebuild from beginning to end: the archive's customers, then what was late, then whoever came meanwhile.

It may be killed and run again at any time: a row that was completed says so itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any, Protocol

import redis

from rapport.archive import Archive, archive_writer
from rapport.bus.protocol import START, Position
from rapport.errors import ArchiveError, StoreError
from rapport.online import Keeping, Layouts
from rapport.rebuild.chunks import Chunk, TopicReader
from rapport.rebuild.lacking import Lacking, Unfinished
from rapport.rebuild.restore import Restored, Restorer
from rapport.rebuild.stored import lacking_customers

__all__ = ["Rebuild", "RebuildReport"]

_CHUNK_EVENTS = 200_000
_BLOCK_CUSTOMERS = 20_000
_ASK_ARCHIVE_EVERY_S = 0.5
_UNTIL_FLOWS_KNOW_S = 2.0
"""After this long every running flow has seen that a view is complete, and has written what it had begun before."""


class Show(Protocol):
    def __call__(self, done: float, total: float | None = None, text: str = "") -> None: ...


@dataclass(slots=True)
class RebuildReport:
    """What a rebuild did.

    Attributes:
        views: the views that lack nothing any more.
        customers, events: read from the archive.
        written: customers' hashes written.
        conflicts: hashes read again, because the flow had written them meanwhile.
        damaged: stored rows that cannot be read; they were left as they are.
    """

    views: list[str] = field(default_factory=list)
    customers: int = 0
    events: int = 0
    written: int = 0
    conflicts: int = 0
    damaged: int = 0
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Rebuild:
    """Completes the rows of views that lack their customers' past.

    Args:
        client: Redis, with a writer's timeout.
        project: the Feast project's name.
        wait_s: how long to wait for the archive to reach what the rows have seen.
        show: told how far it is, in events of the topic.
        memory: DuckDB's memory limit; beyond it, it sorts on disk.
    """

    def __init__(
        self,
        client: redis.Redis,
        project: str,
        archive: Archive,
        *,
        wait_s: float = 60.0,
        show: Show = lambda done, total=None, text="": None,
        memory: str = "1GB",
        chunk_events: int = _CHUNK_EVENTS,
    ) -> None:
        self._client = client
        self._project = project
        self._archive = archive
        self._wait_s = wait_s
        self._show = show
        self._memory = memory
        self._chunk_events = chunk_events
        self._keeping = Keeping(client, project)
        self._unfinished = Unfinished(client, project)

    def run(self, lacking: Sequence[Lacking]) -> RebuildReport:
        """Complete the rows of these views; every one's `kept` is known.

        Raises:
            StoreUnavailable
            ArchiveError: the archive cannot be read, or does not reach what the rows have seen within `wait_s`.
            StoreError: a declaration has changed meanwhile.
            Fenced: rows change faster than they can be completed.
        """
        report, begun_s = RebuildReport(), time.monotonic()
        topics: dict[str, list[Lacking]] = {}
        for one in lacking:
            topics.setdefault(one.topic, []).append(one)
        for topic, views in topics.items():
            self._topic(topic, views, report)
        report.seconds = time.monotonic() - begun_s
        return report

    def _topic(self, topic: str, views: Sequence[Lacking], report: RebuildReport) -> None:
        plans = [one.plan for one in views]
        Layouts(self._client, self._project, plans).register()
        self._unfinished.note(plans)
        self._wait_for(topic, _furthest(views))
        with self._reading(topic, views) as (reader, restorer):
            late = self._all(topic, reader, restorer, report)
        self._some(topic, views, late, report)
        self._look_again(topic, views, report)
        for plan in plans:
            if not self._keeping.finish(plan.view.name, plan.layout.hex()):
                raise StoreError(f"the declaration of view {plan.view.name!r} has changed meanwhile: run it again")
        # Rows that were begun until the flows knew it say that they lack something.
        time.sleep(_UNTIL_FLOWS_KNOW_S)
        self._look_again(topic, views, report)
        self._unfinished.clear(plans)
        report.views += [plan.view.name for plan in plans]

    def _all(self, topic: str, reader: TopicReader, restorer: Restorer, report: RebuildReport) -> dict[str, None]:
        """Go through all customers of the archive; returns those whose rows are late."""
        total, _ = reader.count()
        done, begun_s = 0, time.monotonic()
        late: dict[str, None] = {}
        for chunk in reader.all(self._chunk_events):
            late |= dict.fromkeys(self._add(chunk, restorer.restore(chunk), report).late)
            done += len(chunk)
            self._show(done, total, f"{topic}, {_pace(report.customers, done, total, time.monotonic() - begun_s)}")
        return late

    def _look_again(self, topic: str, views: Sequence[Lacking], report: RebuildReport) -> None:
        """Go through the stored rows, and complete those that still lack something."""
        found = lacking_customers(self._client, self._project, [one.plan for one in views])
        for block in _blocks(found):
            self._some(topic, views, dict.fromkeys(block), report)

    def _some(self, topic: str, views: Sequence[Lacking], ids: Mapping[str, None], report: RebuildReport) -> None:
        """Complete the rows of some customers, waiting for the archive where that has to be."""
        left = list(ids)
        while left:
            late: list[str] = []
            needs: dict[int, Position] = {}
            with self._reading(topic, views) as (reader, restorer):
                for block in _blocks(iter(left)):
                    chunk = reader.of(block)
                    result = self._add(chunk, restorer.restore(chunk), report)
                    late += result.late
                    needs |= {p: max(at, needs.get(p, START)) for p, at in result.needs.items()}
            left = late
            if left:
                self._wait_for(topic, needs)

    @contextmanager
    def _reading(self, topic: str, views: Sequence[Lacking]) -> Iterator[tuple[TopicReader, Restorer]]:
        """A snapshot of the topic, and how far it reaches at least."""
        plans = [one.plan for one in views]
        kinds = {name: plan.view.kinds[name] for plan in plans for name in plan.columns}
        kept = {one.view: one.kept for one in views if one.kept is not None}
        reached = {p: self._archive.position(topic, archive_writer(p)) for p in _partitions(views)}
        layouts = Layouts(self._client, self._project, plans)
        with self._archive.snapshot(topic) as snapshot:
            yield (
                TopicReader(topic, snapshot, kinds, self._memory),
                Restorer(self._client, self._project, plans, kept, layouts, reached),
            )

    def _add(self, chunk: Chunk, result: Restored, report: RebuildReport) -> Restored:
        report.customers += len(chunk.ids)
        report.events += len(chunk)
        report.written += result.written
        report.conflicts += result.conflicts
        report.damaged += result.damaged
        return result

    def _wait_for(self, topic: str, needs: Mapping[int, Position]) -> None:
        deadline_s = time.monotonic() + self._wait_s
        for partition, wanted in sorted(needs.items()):
            while (reached := self._archive.position(topic, archive_writer(partition))) < wanted:
                if time.monotonic() >= deadline_s:
                    raise ArchiveError(
                        f"the rows of {topic} have seen partition {partition} up to {_text(wanted)}, the archive holds "
                        f"it up to {_text(reached)}, and has not come further in {self._wait_s:g} s: do the flows run "
                        "(`rapport status`)? What was done so far is kept; run it again, or wait longer with --wait"
                    )
                self._show(0, None, f"{topic}: waiting for the archive to reach {_text(wanted)} of {partition}")
                time.sleep(_ASK_ARCHIVE_EVERY_S)


def _partitions(views: Sequence[Lacking]) -> set[int]:
    return {partition for one in views if one.kept for partition in one.kept.begun}


def _furthest(views: Sequence[Lacking]) -> dict[int, Position]:
    """Where the views were begun, by partition: a customer without a row lacks what is up to there."""
    needs: dict[int, Position] = {}
    for one in views:
        for partition, position in (one.kept.begun if one.kept else {}).items():
            needs[partition] = max(needs.get(partition, START), Position(*position))
    return needs


def _blocks(ids: Iterator[str]) -> Iterator[list[str]]:
    while block := list(islice(ids, _BLOCK_CUSTOMERS)):
        yield block


def _pace(customers: int, done: int, total: int, seconds: float) -> str:
    left_s = seconds * (total - done) / max(done, 1)
    return f"{customers / max(seconds, 1e-9):,.0f} customers/s, {left_s:,.0f} s left"


def _text(position: Position) -> str:
    return f"{position.hi}-{position.lo}"
