"""A Feast repository in a folder, with Rapport's offline store, for tests that declare views of their own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FileSource, KafkaSource, RepoConfig, StreamFeatureView, ValueType
from feast.aggregation import Aggregation
from feast.data_format import JsonFormat

from rapport.feast.declare import schema_of

customer = Entity(name="customer", join_keys=["customer_id"], value_type=ValueType.STRING)
KINDS = {"amount": "double", "qty": "bigint", "item": "string", "flag": "boolean", "price": "decimal(18,4)"}
TYPES = {
    "double": pa.float64(),
    "bigint": pa.int64(),
    "string": pa.string(),
    "boolean": pa.bool_(),
    "decimal(18,4)": pa.decimal128(18, 4),
}


def store_in(folder: Path, objects: Sequence[Any]) -> FeatureStore:
    """A store whose repository is `folder`, with the objects applied."""
    (folder / "feature_store.yaml").touch()
    config = RepoConfig(
        project="history",
        provider="rapport.feast.provider.RapportProvider",
        registry=str(folder / "registry.db"),
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        offline_store={"type": "rapport.feast.offline_store.RapportOfflineStore"},
        entity_key_serialization_version=3,
        repo_path=folder,
    )
    store = FeatureStore(config=config)
    store.apply([customer, *objects])
    return store


def source_at(path: Path) -> KafkaSource:
    """A source of amount, qty, item, flag and price whose events are the Parquet file at `path`."""
    return KafkaSource(
        name="happenings",
        topic="happenings",
        kafka_bootstrap_servers="",
        message_format=JsonFormat(schema_json=", ".join(f"{name} {kind}" for name, kind in KINDS.items())),
        timestamp_field="event_time",
        batch_source=FileSource(name="happenings_file", path=str(path), timestamp_field="event_time"),
    )


def view_of_source(
    name: str, source: KafkaSource, aggregations: list[Aggregation], ttl_us: int | None = None
) -> StreamFeatureView:
    """A windowed view over such a source."""
    return StreamFeatureView(
        name=name,
        entities=[customer],
        source=source,
        timestamp_field="event_time",
        ttl=timedelta(microseconds=ttl_us or 0),
        aggregations=aggregations,
        schema=schema_of(source, aggregations),
    )


def aggregation(function: str, column: str, window_us: int | None, slide_us: int | None) -> Aggregation:
    """An aggregation named by what it computes."""
    return Aggregation(
        name=f"{function}_{column or 'events'}_{window_us}_{slide_us}",
        function=function,
        column=column,
        time_window=None if window_us is None else timedelta(microseconds=window_us),
        slide_interval=None if slide_us is None else timedelta(microseconds=slide_us),
    )


def write_events(path: Path, events: Sequence[tuple[str, int, dict[str, Any]]]) -> None:
    """Write (customer, event_time_us, values) as the source's Parquet file."""
    columns = {
        "customer_id": pa.array([customer_id for customer_id, _, _ in events], pa.string()),
        "event_time": pa.array([time for _, time, _ in events], pa.timestamp("us", "UTC")),
    }
    for name, kind in KINDS.items():
        columns[name] = pa.array([values.get(name) for _, _, values in events], TYPES[kind])
    pq.write_table(pa.table(columns), path)
