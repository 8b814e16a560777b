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
from rapport.online.advance import Advance, Outcome
from rapport.online.batch import Batch, Places, batch_of
from rapport.online.cache import RowCache
from rapport.online.fence import RowStore, Session
from rapport.online.keeping import Keeping
from rapport.online.layouts import Layouts
from rapport.online.packed import Longs, Packed, by_view, joined
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
        known: what the cache has of them.
        loaded: their values, view by view.
        outcomes: what became of each view.
        new: the new values, as `loaded`.
        touched: int64[m], the numbers of those that are written.
    """

    first: int
    ids: Sequence[str]
    keys: Packed
    known: list[tuple[Longs, Packed, Longs]]
    loaded: Packed
    outcomes: list[Outcome]
    new: Packed
    touched: Longs


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
        self._plans = tuple(views)
        self._store = RowStore(client, project, [plan.view.name for plan in views])
        self._cache = RowCache(cache_rows, cache_bytes, len(views))
        self._workspace = Workspace()
        self._layouts = layouts
        self._keeping = keeping

    def apply(
        self, customer_ids: Sequence[str], positions: Sequence[Position] | Places, partition: int, events: Events
    ) -> ApplyReport:
        """Add n events of one partition to their customers' rows. Safe to repeat, whole or in part.

        Args:
            customer_ids: whose event each is.
            positions: place of each event in the partition, as columns or one by one; ascending.
            partition: 0 to 65535.
            events: n events with the columns that the plans need.

        Raises:
            ValueError: lengths differ, or positions do not ascend.
            StoreUnavailable: Redis does not answer; call again with the same events.
            Fenced: other workers kept writing the same rows; call again with the same events.
        """
        report = ApplyReport(events=len(events))
        batch = batch_of(customer_ids, positions, partition, events)
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
        views = [
            Advance(plan, batch, self._workspace, self._layouts, self._begun(plan, batch.partition))
            for plan in self._plans
        ]
        refused: list[int] = []
        with self._store.session() as session:
            chunks = [self._ask(session, batch, first) for first in range(0, len(batch.customer_ids), _CHUNK)]
            for chunk in chunks:
                self._update(session, views, chunk)
            for chunk in chunks:
                some = session.refused(chunk.keys) if len(chunk.touched) else []
                self._settle(chunk, some, report)
                refused += [chunk.first + row for row in some]
        return refused

    def _begun(self, plan: Plan, partition: int) -> Gap | None:
        return None if self._keeping is None else self._keeping.gap(plan.view.name, partition)

    def _ask(self, session: Session, batch: Batch, first: int) -> _Chunk:
        ids = batch.customer_ids[first : first + _CHUNK]
        keys, known = session.pack_keys(ids), self._cache.find(ids)
        absent = np.ones(len(ids), np.bool_)
        for numbers, _, _ in known:
            absent[numbers] = False
        session.ask(keys, np.flatnonzero(absent))
        return _Chunk(first, ids, keys, known, keys, [], keys, np.zeros(0, np.int64))

    def _update(self, session: Session, views: Sequence[Advance], chunk: _Chunk) -> None:
        numbers, records = session.receive(chunk.keys)
        count = len(chunk.ids)
        parts = [*chunk.known, (numbers, records, np.arange(len(numbers)))]
        chunk.loaded = by_view(parts, count, len(views))
        for at, view in enumerate(views):
            stored = Packed(chunk.loaded.data, chunk.loaded.starts[at * count : (at + 1) * count + 1])
            chunk.outcomes.append(view.rows(chunk.first, stored))
        chunk.new = joined([outcome.values for outcome in chunk.outcomes])
        changed = np.diff(chunk.new.starts).reshape(len(views), count).any(axis=0)
        chunk.touched = np.flatnonzero(changed)
        if len(chunk.touched):
            session.write(chunk.keys, chunk.touched, chunk.loaded, chunk.new)

    def _settle(self, chunk: _Chunk, refused: Sequence[int], report: ApplyReport) -> None:
        kept = np.ones(len(chunk.ids), np.bool_)
        kept[list(refused)] = False
        written = chunk.touched[kept[chunk.touched]]
        self._cache.put(chunk.ids, written, chunk.loaded, chunk.new)
        report.rows += len(written)
        for plan, outcome in zip(self._plans, chunk.outcomes, strict=True):
            report.applied += int(outcome.applied[kept].sum())
            report.replayed += int(outcome.replayed[kept].sum())
            report.damaged += [(chunk.ids[row], plan.view.name) for row in outcome.damaged if kept[row]]
