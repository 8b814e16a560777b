"""Events into the online store: load the touched rows, update them, write them back behind the fence.

At-least-once delivery has an exactly-once effect: a row's mark says which positions it has seen, in the same write
that adds them. An event at or before the mark is skipped; a row whose mark moved since it was read is read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from rapport.bus.protocol import Position
from rapport.errors import Fenced
from rapport.online.advance import Advance, Change
from rapport.online.batch import Batch, Places, batch_of
from rapport.online.cache import Known, RowCache
from rapport.online.fence import RowStore, Session
from rapport.online.keeping import Keeping
from rapport.online.layouts import Layouts
from rapport.online.packed import Longs, Packed
from rapport.online.routing import AnyRedis
from rapport.windows import Events, Gap, Plan
from rapport.windows.packed import Workspace

__all__ = ["ApplyReport", "OnlineWriter"]

_ATTEMPTS = 16
_CHUNK = 500
"""Customers that are updated at a time, while Redis works on those before and behind them."""


@dataclass(slots=True)
class ApplyReport:
    """What one call of `OnlineWriter.apply` did.

    Attributes:
        events: events given.
        applied: pairs of event and view that were added to a row.
        replayed: pairs that the row had seen before.
        rows: customers' hashes written.
        reloaded: hashes read again because their marks had moved.
        damaged: (customer id, view) of stored rows that cannot be read. They were left as they are, and their events
            not added; deleting the customer's hash (`delete_customer`) starts them afresh.
    """

    events: int = 0
    applied: int = 0
    replayed: int = 0
    rows: int = 0
    reloaded: int = 0
    damaged: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class _Chunk:
    """Some customers of a batch, on their way.

    Attributes:
        first: the number of the first.
        ids, keys: the k customers and their keys.
        known: where the cache has their values.
    """

    first: int
    ids: Sequence[str]
    keys: Packed
    known: Known


class OnlineWriter:
    """Adds events of one topic to the rows of all windowed views over it.

    Args:
        client: a client of a Redis server or cluster with `decode_responses` off; give it a timeout that suits a
            writer (WRITE_TIMEOUT_S).
        project: the Feast project's name.
        views: the plans of the views; at least one, VIEWS_LIMIT at most.
        cache_rows: customers at most whose rows are kept in memory. 0: none.
        cache_bytes: bytes at most that those rows take.
        layouts: finds the layouts of rows that were written under another declaration; None: none are.
        keeping: says what rows lack that are begun now; None: nothing.
    """

    def __init__(
        self,
        client: AnyRedis,
        project: str,
        views: Sequence[Plan],
        *,
        cache_rows: int = 20_000,
        cache_bytes: int = 64 << 20,
        layouts: Layouts | None = None,
        keeping: Keeping | None = None,
    ) -> None:
        if not views:
            raise ValueError("an OnlineWriter without views has nothing to write: give at least one plan")
        self._store = RowStore(client, project, [plan.view.name for plan in views])
        self._cache = RowCache(cache_rows, cache_bytes, len(views))
        workspace = Workspace()
        self._views = [Advance(plan, view, workspace, layouts) for view, plan in enumerate(views)]
        self._keeping = keeping

    def apply(
        self,
        customers: Sequence[str],
        positions: Sequence[Position] | Places,
        partition: int,
        events: Events,
    ) -> ApplyReport:
        """Add n events of one partition to their customers' rows. Safe to repeat, whole or in part.

        Args:
            customers: whose event each is: n customers' ids.
            positions: place of each event in the partition, ascending; or as two columns.
            partition: 0 to 65535.
            events: n events with the columns that the plans need.

        Raises:
            ValueError: lengths differ, positions do not ascend, or the partition is out of range.
            StoreUnavailable: Redis does not answer; call again with the same events.
            Fenced: other workers kept writing the same rows; call again with the same events.
        """
        report = ApplyReport(events=len(events))
        batch = batch_of(customers, positions, partition, events)
        for _ in range(_ATTEMPTS):
            refused = self._attempt(batch, report) if batch.customer_ids else []
            if not refused:
                return report
            report.reloaded += len(refused)
            batch = batch.of_customers(refused)
            self._cache.forget(batch.customer_ids)
        raise Fenced(
            f"the rows of {len(batch.customer_ids)} customers changed {_ATTEMPTS} times while being written: "
            f"another worker is writing partition {partition}; run one worker per partition"
        )

    def _attempt(self, batch: Batch, report: ApplyReport) -> list[int]:
        """Try once; the numbers of the customers whose rows had changed."""
        refused: list[int] = []
        with self._store.session() as session:
            chunks = [self._ask(session, batch, first) for first in range(0, len(batch.customer_ids), _CHUNK)]
            # While Redis looks up the first rows.
            for view in self._views:
                view.begin(batch, self._begun(view.plan, batch.partition))
            changes = [self._update(session, chunk) for chunk in chunks]
            for chunk, (change, touched) in zip(chunks, changes, strict=True):
                some = session.refused(chunk.keys) if len(touched) else []
                self._settle(chunk, change, touched, some, report)
                refused += [chunk.first + row for row in some]
        return refused

    def _begun(self, plan: Plan, partition: int) -> Gap | None:
        return None if self._keeping is None else self._keeping.gap(plan.view.name, partition)

    def _ask(self, session: Session, batch: Batch, first: int) -> _Chunk:
        ids = batch.customer_ids[first : first + _CHUNK]
        keys, known = self._store.keys.keys(ids), self._cache.find(ids)
        session.ask(keys, known.unknown())
        return _Chunk(first, ids, keys, known)

    def _update(self, session: Session, chunk: _Chunk) -> tuple[Change, Longs]:
        """Compute and send the new values: they, and the numbers of the customers who have some."""
        asked, fresh = session.receive(chunk.keys)
        change = Change(self._cache.values(chunk.known, asked, fresh), len(self._views))
        for view in self._views:
            view.rows(chunk.first, change)
        touched = change.touched()
        if len(touched):
            session.write(chunk.keys, touched, change.loaded, change.new)
        return change, touched

    def _settle(
        self, chunk: _Chunk, change: Change, touched: Longs, refused: Sequence[int], report: ApplyReport
    ) -> None:
        kept, written = np.ones(len(chunk.ids), np.bool_), touched
        if refused:
            kept[refused] = False
            written = touched[kept[touched]]
        self._cache.put(chunk.ids, written, change.loaded, change.new)
        added, replayed = change.counted(kept)
        report.rows += len(written)
        report.applied += added
        report.replayed += replayed
        report.damaged += [
            (chunk.ids[row], self._views[view].plan.view.name) for view, row in change.damaged if kept[row]
        ]
