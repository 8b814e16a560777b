"""How well the declared features foretell what the simulated customers do: features from history, labels from after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.clock import to_us
from rapport.events.block import events_of, joined
from rapport.events.derive import derive
from rapport.events.schema import Event
from rapport.windows import Values, compile_view, history

DAY_US = 86_400_000_000

Spine = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Customer numbers and times."""


def rows_of(events: Sequence[tuple[str, Event]]) -> dict[str, pa.RecordBatch]:
    """Checked rows by topic, in order of customer and time, as the archive would hold them."""
    by_topic: dict[str, list[Event]] = {}
    for topic, event in events:
        by_topic.setdefault(topic, []).append(event)
    order = [("customer_id", "ascending"), ("event_time_us", "ascending")]
    return {topic: derive(topic, some, [2**60] * len(some)).rows.sort_by(order) for topic, some in by_topic.items()}


def number(customer_id: str) -> int:
    return int(customer_id.removeprefix("c-"))


def times_of(events: Sequence[tuple[str, Event]], topic: str, keep: Any) -> Spine:
    """Customers and times of the events of a topic for which `keep` holds."""
    kept = [event for name, event in events if name == topic and keep(event)]
    found = [(number(event.customer_id), to_us(event.event_time)) for event in kept]
    array = np.array(found, dtype=np.int64).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def followed(spine: Spine, events: Spine, horizon_us: int) -> NDArray[np.bool_]:
    """Whether an event of the same customer comes within the horizon after each spine row."""
    by_customer: dict[int, list[int]] = {}
    for customer, time in zip(*events, strict=True):
        by_customer.setdefault(int(customer), []).append(int(time))
    result = []
    for customer, time in zip(*spine, strict=True):
        after = [t for t in by_customer.get(int(customer), []) if time < t <= time + horizon_us]
        result.append(bool(after))
    return np.array(result)


@dataclass
class Features:
    """Feature values of a spine for every windowed view of a service."""

    rows: dict[str, pa.RecordBatch]

    def matrix(self, service: Any, spine: Spine) -> tuple[list[str], NDArray[np.float64]]:
        from feature_repo import views
        from rapport.feast.declare import is_windowed, topic_of, view_of

        names: list[str] = []
        parts: list[NDArray[np.float64]] = []
        for projection in service.feature_view_projections:
            view = getattr(views, projection.name)
            if not is_windowed(view):
                continue
            plan = compile_view(view_of(view))
            wanted = [feature.name for feature in projection.features]
            places = [plan.names.index(name) for name in wanted]
            parts.append(self._values(plan, topic_of(view), spine).matrix()[:, places])
            names += [f"{projection.name}__{name}" for name in wanted]
        return names, np.hstack(parts)

    def _values(self, plan: Any, topic: str, spine: Spine) -> Values:
        rows = self.rows.get(topic, joined(topic, []))
        owners = np.array([number(who) for who in rows.column("customer_id").to_pylist()], dtype=np.int64)
        known, starts = np.unique(owners, return_index=True)
        place = {int(customer): i for i, customer in enumerate(known)}
        entity = np.array([place.get(int(customer), -1) for customer in spine[0]], dtype=np.int64)
        bounds = np.append(starts, len(rows)).astype(np.int64)
        return history(plan, events_of(topic, rows, plan.columns), bounds, entity, spine[1])


def auc(matrix: NDArray[np.float64], label: NDArray[np.bool_], time: NDArray[np.int64]) -> float:
    """AUC of boosted trees on the last 30 % of time, trained on the first 70 %."""
    from sklearn.metrics import roc_auc_score
    from xgboost import XGBClassifier

    cut = np.quantile(time, 0.7)
    train, test = time < cut, time >= cut
    model = XGBClassifier(n_estimators=80, max_depth=4, learning_rate=0.1, min_child_weight=10, n_jobs=1)
    model.fit(matrix[train], label[train])
    return float(roc_auc_score(label[test], model.predict_proba(matrix[test])[:, 1]))
