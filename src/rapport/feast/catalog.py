"""What the Feast registry declares, read once at start-up: windowed views by topic, and what a service reads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from feast import FeatureStore
from feast.errors import FeatureServiceNotFoundException
from feast.types import Bool, Decimal, Float32, Float64, Int32, Int64, String, UnixTimestamp

from rapport.errors import DeclarationError
from rapport.feast.declare import is_windowed, topic_of, view_of
from rapport.online.keys import JOIN_KEY
from rapport.online.plain import PlainView
from rapport.online.views import WindowedView
from rapport.settings import Settings
from rapport.windows import FUNCTIONS, Kind, Plan, compile_view, result_kind

__all__ = ["check_windowed", "open_store", "plans_by_topic", "service_projections", "views_of_service"]

_KINDS = {
    Bool: Kind.BOOL,
    Decimal: Kind.DECIMAL,
    Float32: Kind.FLOAT,
    Float64: Kind.FLOAT,
    Int32: Kind.INT,
    Int64: Kind.INT,
    String: Kind.STRING,
    UnixTimestamp: Kind.INT,
}
_RESULT_TYPES = {
    Kind.BOOL: Bool,
    Kind.DECIMAL: Decimal,
    Kind.FLOAT: Float64,
    Kind.INT: Int64,
    Kind.STRING: String,
}


def open_store(settings: Settings) -> FeatureStore:
    """The Feast repository of this installation."""
    return FeatureStore(repo_path=str(settings.root))


def plans_by_topic(store: FeatureStore) -> dict[str, list[Plan]]:
    """The plans of all windowed views that are kept online, by topic, and there by name.

    Raises:
        DeclarationError: a view in the registry that cannot be computed.
    """
    plans: dict[str, list[Plan]] = {}
    for view in sorted(store.list_stream_feature_views(), key=lambda view: str(view.name)):
        if is_windowed(view) and view.online:
            check_windowed(view)
            plans.setdefault(topic_of(view), []).append(compile_view(view_of(view)))
    return plans


def service_projections(store: FeatureStore, name: str) -> list[tuple[Any, tuple[str, ...]]]:
    """The views of a feature service, each with the names of the features that the service takes, in order.

    Raises:
        DeclarationError: the registry has no such service.
    """
    try:
        service = store.get_feature_service(name)
    except FeatureServiceNotFoundException:
        known = ", ".join(sorted(other.name for other in store.list_feature_services())) or "none"
        raise DeclarationError(
            f"no feature service {name!r} in the registry; it has {known}. Declare it in feature_repo/ and run "
            "`feast apply`"
        ) from None
    views = {view.name: view for view in (*store.list_feature_views(), *store.list_stream_feature_views())}
    return [
        (views[projection.name], tuple(field.name for field in projection.features if field.name != JOIN_KEY))
        for projection in service.feature_view_projections
    ]


def views_of_service(projections: Sequence[tuple[Any, tuple[str, ...]]]) -> list[WindowedView | PlainView]:
    """The same as values that an OnlineReader reads.

    Raises:
        DeclarationError: a view that is not keyed by customer, or a feature of a type that is not a scalar.
    """
    return [_readable(view, features) for view, features in projections]


def check_windowed(view: Any) -> None:
    """Refuse a windowed view that the online store cannot keep.

    Raises:
        DeclarationError: names the view, what is wrong, and the choices.
    """
    declared = view_of(view)
    if view.udf is not None:
        raise DeclarationError(
            f"view {view.name!r} has a function of its own, whose text Feast would run out of the registry; Rapport "
            f"takes aggregations only: {', '.join(FUNCTIONS)}"
        )
    _check_key(view)
    # Feast lists the join key among the features of a stream view that it has read back from the registry.
    types = {field.name: field.dtype for field in view.features if field.name != JOIN_KEY}
    for aggregation in declared.aggregations:
        kind = result_kind(aggregation.function, declared.kinds.get(aggregation.column))
        wanted = _RESULT_TYPES[kind]
        if types.pop(aggregation.name, None) != wanted:
            raise DeclarationError(
                f"view {view.name!r}: its schema must give {aggregation.name!r} ({aggregation.function}) the type "
                f"{wanted}; `schema=schema_of(source, aggregations)` of rapport.feast makes the right schema"
            )
    if types:
        raise DeclarationError(
            f"view {view.name!r}: fields {', '.join(types)} of its schema have no aggregation of that name; a windowed "
            "view has exactly one field per aggregation"
        )


def _readable(view: Any, features: tuple[str, ...]) -> WindowedView | PlainView:
    _check_key(view)
    if is_windowed(view):
        return WindowedView(compile_view(view_of(view)), features)
    kinds = {field.name: _KINDS.get(field.dtype) for field in view.features}
    for name in features:
        if kinds[name] is None:
            raise DeclarationError(
                f"view {view.name!r}, feature {name!r}: a service reads numbers, strings and booleans; Feast's types "
                f"{', '.join(str(known) for known in _KINDS)}"
            )
    ttl_us = (view.ttl or timedelta()) // timedelta(microseconds=1)
    picked = tuple(kind for name in features if (kind := kinds[name]) is not None)
    return PlainView(view.name, features, picked, ttl_us or None)


def _check_key(view: Any) -> None:
    if list(view.join_keys) != [JOIN_KEY]:
        raise DeclarationError(
            f"view {view.name!r} is keyed by {', '.join(view.join_keys) or 'nothing'}; events are keyed by customer: "
            f"give it exactly one entity, whose join key is {JOIN_KEY!r}"
        )
