"""The features that triggers look at: checked against the declared views, and read from the online store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import redis

from rapport.errors import DeclarationError
from rapport.online import Layouts, OnlineReader, WindowedView
from rapport.triggers.declared import OnDrop, Trigger
from rapport.triggers.file import FILE
from rapport.triggers.rules import Features
from rapport.windows import Aggregation, Kind, Plan

__all__ = ["FeatureReader", "check_features"]


def check_features(triggers: Iterable[Trigger], plans: Mapping[str, Sequence[Plan]]) -> None:
    """Refuse triggers over features that are not declared, or that they cannot be made of.

    Args:
        plans: topic to the plans of its windowed views.

    Raises:
        DeclarationError: names the trigger, the feature and what there is.
    """
    views = {plan.view.name: plan for some in plans.values() for plan in some}
    for trigger in triggers:
        where = f"{FILE}, trigger {trigger.name!r}"
        for view, feature in trigger.features():
            plan = views.get(view)
            if plan is None:
                raise DeclarationError(
                    f"{where}: there is no windowed view {view!r}; there are {', '.join(sorted(views)) or 'none'}"
                )
            if feature not in plan.names:
                known = ", ".join(plan.names)
                raise DeclarationError(f"{where}: view {view} has no feature {feature!r}; it has {known}")
            if plan.kinds[plan.names.index(feature)] is Kind.STRING:
                raise DeclarationError(f"{where}: {view}:{feature} is a text: limits are for numbers")
        if isinstance(trigger.on, OnDrop):
            _check_drop(trigger.on, views, where)


def _check_drop(on: OnDrop, views: Mapping[str, Plan], where: str) -> None:
    recent, habit = (_aggregation(views[view], feature) for view, feature in (on.recent, on.habit))
    alike = on.recent[0] == on.habit[0] and (recent.function, recent.column) == (habit.function, habit.column)
    if not alike or not recent.function.startswith("count") or not recent.window_us or not habit.window_us:
        raise DeclarationError(
            f"{where}, drop: recent and habit have to be counts of one column of one view, over a short window and a "
            "long one"
        )
    if recent.window_us * 2 > habit.window_us:
        raise DeclarationError(f"{where}, drop: the window of habit has to be at least twice that of recent")


def _aggregation(plan: Plan, feature: str) -> Aggregation:
    return next(one for one in plan.view.aggregations if one.name == feature)


class FeatureReader:
    """Reads the features of some triggers, by `view:feature`.

    Args:
        client: the online store's Redis.
        project: the Feast project's name.
        triggers: what is declared; checked.
        plans: topic to the plans of its windowed views.
    """

    def __init__(
        self, client: redis.Redis, project: str, triggers: Sequence[Trigger], plans: Mapping[str, Sequence[Plan]]
    ) -> None:
        by_view: dict[str, list[str]] = {}
        for view, feature in dict.fromkeys(one for trigger in triggers for one in trigger.features()):
            by_view.setdefault(view, []).append(feature)
        known = {plan.view.name: plan for some in plans.values() for plan in some}
        views = [WindowedView(known[view], tuple(features)) for view, features in by_view.items()]
        self._names = [f"{view}:{feature}" for view, features in by_view.items() for feature in features]
        self._plans = {view: known[view] for view in by_view}
        self._reader = OnlineReader(project, views, client=client, layouts=Layouts(client, project))

    def read(self, customers: Sequence[str], as_of_us: Sequence[int]) -> list[Features]:
        """The features of n customers, each as of a time of its own.

        Raises:
            StoreUnavailable
        """
        found = self._reader.read_each(customers, as_of_us)
        return [
            {name: None if np.isnan(value) else float(value) for name, value in zip(self._names, row, strict=True)}
            for row in found
        ]

    def span_us(self, feature: tuple[str, str], as_of_us: int) -> int:
        """How much time a feature's window covers as of a time, microseconds: its length and what the slide adds."""
        one = _aggregation(self._plans[feature[0]], feature[1])
        assert one.window_us and one.slide_us, "checked when it was declared"
        return as_of_us - (as_of_us - one.window_us) // one.slide_us * one.slide_us
