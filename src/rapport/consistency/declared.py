"""The windowed views as they are declared today and as they were, and which features are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rapport.consistency.definitions import find_definition, print_of
from rapport.errors import DeclarationError
from rapport.feast.catalog import open_store
from rapport.feast.declare import is_windowed, topic_of, view_of
from rapport.settings import Settings
from rapport.windows import Plan, compile_view

__all__ = ["Declared", "open_declared"]


@dataclass(frozen=True, slots=True)
class _Windowed:
    plan: Plan
    topic: str
    print: str


class Declared:
    """What the registry declares, and what it declared when a decision was made.

    Args:
        store: Feast's.
        views: the windowed views by name.
        plain: the names of the plain views, which are not replayed.
        wanted: full names of the features to compare; None: all.
    """

    def __init__(
        self,
        settings: Settings,
        store: Any,
        views: Mapping[str, _Windowed],
        plain: frozenset[str],
        wanted: frozenset[str] | None,
    ) -> None:
        self.store = store
        self.plain = plain
        self._settings = settings
        self._views = views
        self._wanted = wanted
        self._then: dict[tuple[str, str], Plan | None] = {}

    @property
    def names(self) -> list[str]:
        """Full names of the features that can be replayed and are wanted."""
        every = (f"{name}__{feature}" for name, view in self._views.items() for feature in view.plan.names)
        return [name for name in every if self.wants(name)]

    def wants(self, name: str) -> bool:
        return self._wanted is None or name in self._wanted

    def today(self, view: str) -> Plan | None:
        """The plan of a view; None when there is no such view."""
        found = self._views.get(view)
        return found.plan if found else None

    def then(self, view: str, print_: str | None) -> Plan | None:
        """The plan that a decision was made with, by the print that it logged; None when that is not known."""
        if print_ is None:
            return None
        found = self._views.get(view)
        if found is not None and found.print == print_:
            return found.plan
        if (view, print_) not in self._then:
            old = find_definition(self._settings, view, print_)
            self._then[view, print_] = compile_view(old) if old else None
        return self._then[view, print_]

    def topic(self, view: str) -> str | None:
        """The topic that a view reads; None when there is no such view."""
        found = self._views.get(view)
        return found.topic if found else None


def open_declared(settings: Settings, views: Sequence[str], features: Sequence[str]) -> Declared:
    """Read the registry.

    Args:
        views, features: compare only these; empty: all.

    Raises:
        DeclarationError: a view or a feature that is not declared, or nothing to replay.
    """
    store = open_store(settings)
    every = [*store.list_feature_views(), *store.list_stream_feature_views()]
    windowed = {
        view.name: _Windowed(compile_view(view_of(view)), topic_of(view), print_of(view_of(view)))
        for view in sorted(every, key=lambda view: str(view.name))
        if is_windowed(view)
    }
    plain = frozenset(view.name for view in every if not is_windowed(view))
    if not windowed:
        raise DeclarationError("the registry has no windowed views, so no logged feature can be replayed")
    names = {f"{name}__{feature}" for name, view in windowed.items() for feature in view.plan.names}
    _check("windowed view", views, set(windowed))
    _check("windowed feature", features, names)
    if not views and not features:
        return Declared(settings, store, windowed, plain, None)
    wanted = {name for name in names if name.partition("__")[0] in views} | set(features)
    return Declared(settings, store, windowed, plain, frozenset(wanted))


def _check(what: str, given: Sequence[str], known: set[str]) -> None:
    for name in given:
        if name not in known:
            raise DeclarationError(f"no {what} {name!r} in the registry; it has {', '.join(sorted(known))}")
