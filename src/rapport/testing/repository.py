"""Feast repositories for tests: a real FeatureStore over Rapport's stores, in a folder of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from feast import Entity, FeatureStore, Field, FileSource, KafkaSource, RepoConfig, StreamFeatureView, ValueType
from feast.aggregation import Aggregation as FeastAggregation
from feast.data_format import JsonFormat
from feast.types import Bool, Decimal, Float64, Int64, String

from rapport.windows import Kind, View, compile_view
from rapport.windows.view import MAX_SCALE

__all__ = ["customer", "feast_view", "make_store", "source_of"]

_TYPES = {Kind.INT: Int64, Kind.FLOAT: Float64, Kind.STRING: String, Kind.BOOL: Bool, Kind.DECIMAL: Decimal}
_DDL = {Kind.INT: "bigint", Kind.FLOAT: "double", Kind.STRING: "string", Kind.BOOL: "boolean"}


def make_store(
    folder: Path, redis_url: str, objects: Sequence[Any] = (), *, project: str = "rapport", offline: str = "duckdb"
) -> FeatureStore:
    """A FeatureStore in `folder` whose online store is Rapport's, at `redis_url`, with `objects` applied.

    Args:
        offline: type of the offline store, as feature_store.yaml names it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = RepoConfig(
        project=project,
        provider="local",
        registry=str(folder / "registry.db"),
        online_store={
            "type": "rapport.feast.online_store.RapportOnlineStore",
            "connection_string": redis_url,
        },
        offline_store={"type": offline},
        entity_key_serialization_version=3,
    )
    config.repo_path = folder
    (folder / "feature_store.yaml").touch()
    store = FeatureStore(config=config)
    if objects:
        store.apply(list(objects))
    return store


def customer() -> Entity:
    """The entity of every windowed view."""
    return Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.STRING)


def source_of(topic: str, kinds: Mapping[str, Kind], scales: Mapping[str, int] = MappingProxyType({})) -> KafkaSource:
    """A stream of events with any columns; `scales` has the decimal places of the decimal ones."""
    types = {name: _DDL.get(kind) or f"decimal({MAX_SCALE},{scales[name]})" for name, kind in kinds.items()}
    return KafkaSource(
        name=topic,
        topic=topic,
        kafka_bootstrap_servers="",
        message_format=JsonFormat(schema_json=", ".join(f"{name} {type_name}" for name, type_name in types.items())),
        timestamp_field="event_time",
        batch_source=FileSource(name=f"{topic}_archive", path=f"archive/{topic}", timestamp_field="event_time"),
    )


def feast_view(view: View, source: KafkaSource, entity: Entity) -> StreamFeatureView:
    """The engine's declaration as Feast's object."""
    plan = compile_view(view)
    return StreamFeatureView(
        name=view.name,
        entities=[entity],
        source=source,
        timestamp_field="event_time",
        ttl=timedelta(microseconds=view.ttl_us or 0),
        aggregations=[
            FeastAggregation(
                name=a.name,
                function=a.function,
                column=a.column,
                time_window=timedelta(microseconds=a.window_us) if a.window_us else None,
                slide_interval=timedelta(microseconds=a.slide_us) if a.slide_us else None,
            )
            for a in view.aggregations
        ],
        schema=[Field(name=name, dtype=_TYPES[kind]) for name, kind in zip(plan.names, plan.kinds, strict=True)],
    )
