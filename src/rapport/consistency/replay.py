"""The report: decisions in chunks, their features computed again by the offline store, and reasons for what differs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa

from rapport.archive import Archive
from rapport.clock import to_us
from rapport.consistency.compare import MATCH, MISSING, Compared, compare
from rapport.consistency.declared import Declared, open_declared
from rapport.consistency.events import TopicEvents, first_events, read_events
from rapport.consistency.explain import Asked, Explained, explain
from rapport.consistency.log import Range, read_chunks
from rapport.consistency.picking import pick
from rapport.consistency.reasons import DEFINITION_CHANGED, ERASED, UNEXPLAINED, UNKNOWN_DEFINITION
from rapport.consistency.report import ConsistencyReport, Difference, Tally
from rapport.decisions.degraded import FEATURES_CORRUPT, FEATURES_STALE, UNKNOWN_CUSTOMER
from rapport.decisions.record import DecisionRecord, FeatureValue
from rapport.events.arrow import to_column
from rapport.events.columns import COLUMNS
from rapport.settings import Settings
from rapport.windows import Column, Kind, Plan

__all__ = ["Question", "replay_decisions"]

ANONYMOUS = "anonymous"
"""Why a decision has nothing to compare: it was logged without the customer, for lack of consent."""
_CHUNK_DECISIONS = 10_000


@dataclass(frozen=True, slots=True)
class Question:
    """What to compare.

    Attributes:
        range: which decisions.
        model: only decisions that this model scored; "" for all.
        views, features: only these windowed views and features (full names); both empty: all.
        in_flight_ms: how long before a decision an event may have arrived without being readable, milliseconds.
    """

    range: Range = field(default_factory=Range)
    model: str = ""
    views: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    in_flight_ms: float = 2_000.0


def replay_decisions(
    settings: Settings,
    question: Question,
    show: Callable[[float, float], None] = lambda done, total: None,
    *,
    chunk: int = _CHUNK_DECISIONS,
) -> ConsistencyReport:
    """Compute the features of logged decisions again from the archive, and say how they compare.

    Args:
        show: called with the number of decisions done and of all.
        chunk: decisions that are held at once, and the events of their customers when values differ.

    Raises:
        DeclarationError: a view or feature that is not declared.
        ArchiveError
    """
    archive = Archive(settings.data_dir / "archive")
    run = _Run(question, archive, open_declared(settings, question.views, question.features))
    for records, total in read_chunks(archive, question.range, chunk):
        run.add(records)
        show(run.decisions, total)
    return run.report()


@dataclass(slots=True)
class _Wrong:
    """One decision's view with values that history contradicts."""

    record: DecisionRecord
    view: str
    logged: dict[str, FeatureValue]
    """The view's logged values, by the feature's name in it."""
    differences: dict[str, float] = field(default_factory=dict)
    """Those that history contradicts: logged minus recomputed, NaN where that is no number."""

    @property
    def as_of_us(self) -> int:
        return to_us(self.record.as_of)


class _Run:
    """A report in the making."""

    def __init__(self, question: Question, archive: Archive, declared: Declared) -> None:
        self._question = question
        self._archive = archive
        self._declared = declared
        self._tally = Tally()
        self._apart: Counter[str] = Counter()
        self._not_replayed: set[str] = set()
        self._times_us: list[int] = []
        self._compared = 0
        self.decisions = 0

    def add(self, records: Sequence[DecisionRecord]) -> None:
        """Compare a chunk of decisions."""
        self.decisions += len(records)
        given = [(record, logged) for record in records if (logged := self._logged(record))]
        if not given:
            return
        self._compared += len(given)
        times = [to_us(record.as_of) for record, _ in given]
        self._times_us = [min([*self._times_us, *times]), max([*self._times_us, *times])]
        wrong = self._compare([record for record, _ in given], [logged for _, logged in given])
        self._explain(wrong)

    def report(self) -> ConsistencyReport:
        since_us, until_us = self._times_us or (None, None)
        return ConsistencyReport(
            since_us=since_us,
            until_us=until_us,
            decisions=self.decisions,
            compared=self._compared,
            apart=dict(self._apart.most_common()),
            not_replayed=tuple(sorted(self._not_replayed)),
            in_flight_ms=self._question.in_flight_ms,
            waited_ms=self._tally.waited_ms(),
            features=self._tally.features(),
            differences=self._tally.differences(),
        )

    def _logged(self, record: DecisionRecord) -> dict[str, FeatureValue]:
        """The values to compare; {} for a decision that has none, which is counted apart."""
        if self._question.model and self._question.model not in record.scores:
            self._apart[f"not scored by {self._question.model}"] += 1
            return {}
        values = dict(record.features)
        if UNKNOWN_CUSTOMER in record.degraded:  # it claims that there is nothing: history may know better
            values = dict.fromkeys(self._declared.names)
        elif not values:
            self._apart.update(record.degraded[:1] or [ANONYMOUS])
            return {}
        damaged = {code.partition(":")[2] for code in record.degraded if code.startswith(f"{FEATURES_CORRUPT}:")}
        self._apart.update(f"{FEATURES_CORRUPT}:{view}" for view in damaged)
        return {name: value for name, value in values.items() if self._is_replayed(name, record, damaged)}

    def _is_replayed(self, name: str, record: DecisionRecord, damaged: set[str]) -> bool:
        view = name.partition("__")[0]
        if view in self._declared.plain:
            self._not_replayed.add(view)
            return False
        return self._declared.wants(name) and view not in damaged

    def _compare(self, records: Sequence[DecisionRecord], logged: Sequence[dict[str, FeatureValue]]) -> list[_Wrong]:
        """Count the outcomes of all features; returns what differs."""
        names = sorted({name for values in logged for name in values})
        columns = self._history(records, names)
        wrong: dict[tuple[int, str], _Wrong] = {}
        for name in names:
            found = columns.get(name)
            # A feature that is no longer declared has no history; that it was null then says nothing.
            rows = [
                at
                for at, values in enumerate(logged)
                if name in values and (found is not None or values[name] is not None)
            ]
            given = [logged[at][name] for at in rows]
            compared = _gone(len(rows)) if found is None else compare(given, _picked(found, rows))
            self._tally.outcome(name, compared)
            view, _, feature = name.partition("__")
            for place in np.flatnonzero(compared.outcomes != MATCH).tolist():
                at = rows[place]
                if (at, view) not in wrong:
                    wrong[at, view] = _Wrong(records[at], view, _of_view(logged[at], view))
                wrong[at, view].differences[feature] = float(compared.differences[place])
        return list(wrong.values())

    def _history(self, records: Sequence[DecisionRecord], names: Sequence[str]) -> dict[str, Column]:
        """The same features, as of each decision's time, by the offline store."""
        asked = [name for name in names if name in set(self._declared.names)]
        if not asked:
            return {}
        spine = pd.DataFrame(
            {
                "customer_id": [record.customer_id for record in records],
                "event_timestamp": pd.Series([record.as_of for record in records], dtype="datetime64[us, UTC]"),
            }
        )
        references = [name.replace("__", ":", 1) for name in asked]
        table = self._declared.store.get_historical_features(spine, references, full_feature_names=True).to_arrow()
        return {name: self._column(name, table[name].combine_chunks()) for name in asked}

    def _column(self, name: str, values: pa.Array) -> Column:
        if pa.types.is_decimal(values.type):  # a decision logs a decimal as a float
            return to_column(Kind.FLOAT, values.cast(pa.float64()))
        return to_column(self._kind(name), values)

    def _kind(self, name: str) -> Kind:
        view, _, feature = name.partition("__")
        plan = self._today(view)
        return plan.kinds[plan.names.index(feature)]

    def _today(self, view: str) -> Plan:
        plan = self._declared.today(view)
        assert plan is not None, f"{view} is among the declared views"
        return plan

    def _explain(self, wrong: Sequence[_Wrong]) -> None:
        """Count a reason for everything that differs."""
        erased = self._erased(wrong)
        topics: dict[str, list[_Wrong]] = defaultdict(list)
        for one in wrong:
            topic = self._declared.topic(one.view)
            if topic is None:
                self._count(one, Explained(dict.fromkeys(one.differences, self._of_no_view(one))))
            elif topic not in COLUMNS:  # files of the user's own, without arrivals
                self._count(one, Explained(dict.fromkeys(one.differences, UNEXPLAINED)))
            elif id(one) in erased:
                self._count(one, Explained(dict.fromkeys(one.differences, ERASED)))
            else:
                topics[topic].append(one)
        for topic, some in topics.items():
            self._explain_topic(topic, some)

    def _erased(self, wrong: Sequence[_Wrong]) -> set[int]:
        """Those of customers of whom the archive has nothing up to the decision, though the decision had something."""
        first = first_events(self._archive, sorted({one.record.customer_id for one in wrong})) if wrong else {}
        return {
            id(one)
            for one in wrong
            if first.get(one.record.customer_id, one.as_of_us + 1) > one.as_of_us
            and any(value is not None for value in one.logged.values())
        }

    def _of_no_view(self, one: _Wrong) -> str:
        """The reason of a view that is not declared today: it cannot be computed under any other definition."""
        return DEFINITION_CHANGED if one.view in one.record.views else UNKNOWN_DEFINITION

    def _explain_topic(self, topic: str, wrong: Sequence[_Wrong]) -> None:
        plans = {id(one): (self._today(one.view), self._then(one)) for one in wrong}
        kinds = {
            name: plan.view.kinds[name] for pair in plans.values() for plan in pair if plan for name in plan.columns
        }
        until_us = max(one.as_of_us for one in wrong) + max(self._slack_us(one) for one in wrong)
        events = read_events(self._archive, topic, kinds, sorted({one.record.customer_id for one in wrong}), until_us)
        for one in wrong:
            self._count(one, self._explained(one, events, *plans[id(one)]))

    def _explained(self, one: _Wrong, events: TopicEvents, today: Plan, then: Plan | None) -> Explained:
        asked = Asked(
            as_of_us=one.as_of_us,
            logged=one.logged,
            wrong=tuple(one.differences),
            slack_us=self._slack_us(one),
            rebuilding=one.view in one.record.rebuilding,
            stale=FEATURES_STALE in one.record.degraded,
            then=then,
        )
        return explain(today, events.of(one.record.customer_id), asked)

    def _then(self, one: _Wrong) -> Plan | None:
        return self._declared.then(one.view, one.record.views.get(one.view))

    def _slack_us(self, one: _Wrong) -> int:
        """The limit of what is in flight, by the world's clock as it ran when the decision was made."""
        return round(self._question.in_flight_ms * 1e3 * max(1.0, one.record.clock_rate))

    def _count(self, one: _Wrong, explained: Explained) -> None:
        for feature, difference in one.differences.items():
            name, reason, logged = f"{one.view}__{feature}", explained.reasons[feature], one.logged[feature]
            self._tally.reason(name, reason, one.record.decision_id)
            if isinstance(logged, float) and not np.isnan(difference):
                self._tally.difference(Difference(one.as_of_us, name, logged, logged - difference, reason))
        if explained.waited_us:
            self._tally.waited(round(explained.waited_us / max(1.0, one.record.clock_rate)))


def _of_view(logged: Mapping[str, FeatureValue], view: str) -> dict[str, FeatureValue]:
    prefix = f"{view}__"
    return {name.removeprefix(prefix): value for name, value in logged.items() if name.startswith(prefix)}


def _gone(n: int) -> Compared:
    """The outcomes of n values of a feature that is no longer declared."""
    return Compared(np.full(n, MISSING, np.uint8), np.full(n, np.nan))


def _picked(column: Column, rows: Sequence[int]) -> Column:
    return column if len(rows) == len(column) else pick(column, np.array(rows, np.int64))
