"""Events into the online store: load the touched rows, update them, write them back behind the fence.

At-least-once delivery has an exactly-once effect: a row's mark says which positions it has seen, in the same write
that adds them. An event at or before the mark is skipped; a row whose mark moved since it was read is read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import redis

from rapport.bus.protocol import Position
from rapport.errors import Fenced
from rapport.online.advance import Outcome, advance
from rapport.online.batch import Batch, batch_of
from rapport.online.cache import RowCache
from rapport.online.fence import RowStore, Values
from rapport.online.keeping import Keeping
from rapport.online.layouts import Layouts
from rapport.windows import Events, Gap, Plan

__all__ = ["ApplyReport", "OnlineWriter"]

_ATTEMPTS = 16


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


class OnlineWriter:
    """Adds events of one topic to the rows of all windowed views over it.

    Args:
        client: a Redis client with `decode_responses` off; give it a timeout that suits a writer (WRITE_TIMEOUT_S).
        project: the Feast project's name.
        views: the plans of the views; at least one.
        cache_rows: customers whose rows are kept in memory. 0: none.
        layouts: finds the layouts of rows that were written under another declaration; None: none are.
        keeping: says what rows lack that are begun now; None: nothing.
    """

    def __init__(
        self,
        client: redis.Redis,
        project: str,
        views: Sequence[Plan],
        *,
        cache_rows: int = 20_000,
        layouts: Layouts | None = None,
        keeping: Keeping | None = None,
    ) -> None:
        if not views:
            raise ValueError("an OnlineWriter without views has nothing to write: give at least one plan")
        self._plans = tuple(views)
        self._store = RowStore(client, project, [plan.view.name for plan in views])
        self._cache: RowCache[Values] = RowCache(cache_rows)
        self._layouts = layouts
        self._keeping = keeping

    def apply(
        self, customer_ids: Sequence[str], positions: Sequence[Position], partition: int, events: Events
    ) -> ApplyReport:
        """Add n events of one partition to their customers' rows. Safe to repeat, whole or in part.

        Args:
            customer_ids: whose event each is.
            positions: place of each event in the partition; ascending.
            partition: 0 to 65535.
            events: n events with the columns that the plans need.

        Raises:
            ValueError: lengths differ, or positions do not ascend.
            StoreUnavailable: Redis does not answer; call again with the same events.
            Fenced: other workers kept writing the same rows; call again with the same events.
        """
        report = ApplyReport(events=len(events))
        ids, batch = batch_of(customer_ids, positions, partition, events)
        for attempt in range(_ATTEMPTS):
            refused = self._attempt(ids, batch, report)
            if not refused:
                return report
            report.reloaded += len(refused)
            self._cache.forget(ids[at] for at in refused)
            if attempt + 1 < _ATTEMPTS:
                ids, batch = [ids[at] for at in refused], batch.of_rows(refused)
        raise Fenced(
            f"the rows of {len(ids)} customers changed {_ATTEMPTS} times while being written: "
            f"another worker is writing partition {partition}; run one worker per partition"
        )

    def _attempt(self, ids: Sequence[str], batch: Batch, report: ApplyReport) -> list[int]:
        if not ids:
            return []
        loaded = self._load(ids)
        outcomes = [
            advance(plan, [values[v] for values in loaded], batch, self._layouts, self._begun(plan, batch.partition))
            for v, plan in enumerate(self._plans)
        ]
        touched = sorted(set().union(*(outcome.values for outcome in outcomes)))
        refused = self._write(ids, loaded, outcomes, touched)
        self._count(report, ids, outcomes, refused)
        report.rows += len(touched) - len(refused)
        return refused

    def _begun(self, plan: Plan, partition: int) -> Gap | None:
        return None if self._keeping is None else self._keeping.gap(plan.view.name, partition)

    def _load(self, ids: Sequence[str]) -> list[Values]:
        cached = {customer_id: values for customer_id in ids if (values := self._cache.get(customer_id)) is not None}
        absent = [customer_id for customer_id in ids if customer_id not in cached]
        if absent:
            cached.update(zip(absent, self._store.load(absent), strict=True))
        return [cached[customer_id] for customer_id in ids]

    def _write(
        self, ids: Sequence[str], loaded: Sequence[Values], outcomes: Sequence[Outcome], touched: list[int]
    ) -> list[int]:
        if not touched:
            return []
        changed = [tuple(outcome.values.get(at) for outcome in outcomes) for at in touched]
        refused = set(self._store.write([ids[at] for at in touched], [loaded[at] for at in touched], changed))
        for index, (at, values) in enumerate(zip(touched, changed, strict=True)):
            if index not in refused:
                self._cache.put(ids[at], tuple(new or old for new, old in zip(values, loaded[at], strict=True)))
        return [touched[index] for index in sorted(refused)]

    def _count(self, report: ApplyReport, ids: Sequence[str], outcomes: Sequence[Outcome], refused: list[int]) -> None:
        for plan, outcome in zip(self._plans, outcomes, strict=True):
            kept = np.ones(len(ids), np.bool_)
            kept[refused] = False
            report.applied += int(outcome.applied[kept].sum())
            report.replayed += int(outcome.replayed[kept].sum())
            report.damaged += [(ids[at], plan.view.name) for at in outcome.damaged if kept[at]]
