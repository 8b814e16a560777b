"""Feast's offline store: windowed views are computed point in time from the event archive, all others as Feast does.

offline_store:
  type: rapport.feast.offline_store.RapportOfflineStore
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feast import FeatureView, FileSource
from feast.data_format import DeltaFormat
from feast.data_source import DataSource
from feast.infra.offline_stores.duckdb import DuckDBOfflineStore, DuckDBOfflineStoreConfig
from feast.infra.offline_stores.ibis import (
    pull_all_from_table_or_query_ibis,
    pull_latest_from_table_or_query_ibis,
)
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.infra.registry.base_registry import BaseRegistry
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import RepoConfig

from rapport.archive import TIMESTAMP, arrow_schema
from rapport.errors import ArchiveError
from rapport.feast.declare import is_windowed
from rapport.feast.event_files import path_of, topic_at
from rapport.feast.history import Requested, compute_history
from rapport.feast.plain_files import Reader, append_to, make_missing, reader
from rapport.feast.retrieval import HistoryJob
from rapport.feast.spine import Spine, spine_of

__all__ = ["RapportOfflineStore", "RapportOfflineStoreConfig"]


class RapportOfflineStoreConfig(DuckDBOfflineStoreConfig):  # type: ignore[misc]
    """Settings of the offline store in feature_store.yaml; the archive's place is the settings' data folder."""

    type: Literal["rapport.feast.offline_store.RapportOfflineStore"] = "rapport.feast.offline_store.RapportOfflineStore"


class RapportOfflineStore(DuckDBOfflineStore):  # type: ignore[misc]
    """History of windowed views from events; of plain views from files."""

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame | str | None,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
        **_: Any,
    ) -> RetrievalJob:
        """Features of every row of a spine, each as of its own time.

        Args:
            entity_df: a DataFrame or SQL text; its rows, order and columns are kept.
            filter_by_created_timestamp: concerns plain views only: windows count an event by its event time.

        Raises:
            ArchiveError: a spine that cannot be used, or a source that cannot be read.
        """
        spine = spine_of(entity_df)
        requested = _requested(feature_views, feature_refs, full_feature_names)
        on_demand = OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry)
        return HistoryJob(
            spine,
            lambda: compute_history(config, registry, spine, requested, known_only=filter_by_created_timestamp),
            full_feature_names=full_feature_names,
            on_demand=on_demand,
            metadata=_metadata(spine, feature_refs),
            repo_path=Path(config.repo_path),
        )

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime,
        end_date: datetime,
    ) -> RetrievalJob:
        times = timestamp_field, created_timestamp_column
        pulled = _pulled(config, data_source, join_key_columns, feature_name_columns, *times)
        return pull_latest_from_table_or_query_ibis(**pulled, start_date=start_date, end_date=end_date)

    @staticmethod
    def pull_all_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> RetrievalJob:
        times = timestamp_field, created_timestamp_column
        pulled = _pulled(config, data_source, join_key_columns, feature_name_columns, *times)
        return pull_all_from_table_or_query_ibis(**pulled, start_date=start_date, end_date=end_date)

    @staticmethod
    def offline_write_batch(
        config: RepoConfig, feature_view: FeatureView, table: pa.Table, progress: Callable[[int], Any] | None
    ) -> None:
        """Append pushed rows to a plain view's file."""
        if is_windowed(feature_view):
            raise ArchiveError(
                f"view {feature_view.name!r} is computed from events: publish events, its values cannot be written"
            )
        append_to(config, feature_view, table)
        if progress:
            progress(table.num_rows)

    def validate_data_source(self, config: RepoConfig, data_source: DataSource) -> None:
        """Validate a source whose files exist; the archive and pushed files come with the first event."""
        if not isinstance(data_source, FileSource) or path_of(config, data_source).is_file():
            super().validate_data_source(config, data_source)

    def get_table_column_names_and_types_from_data_source(
        self, config: RepoConfig, data_source: DataSource
    ) -> Iterable[tuple[str, str]]:
        """Columns of a source; a pushed view's file is made first when there is none."""
        topic = topic_at(config, data_source) if isinstance(data_source, FileSource) else None
        if topic:
            return _names_and_types(arrow_schema(topic))
        if not isinstance(data_source, FileSource) or isinstance(data_source.file_format, DeltaFormat):
            return list(super().get_table_column_names_and_types_from_data_source(config, data_source))
        make_missing(config, data_source)
        return _names_and_types(pq.read_schema(path_of(config, data_source)))


def _names_and_types(schema: pa.Schema) -> list[tuple[str, str]]:
    return [(field.name, str(field.type)) for field in schema]


def _requested(views: Sequence[FeatureView], references: Sequence[str], full_feature_names: bool) -> list[Requested]:
    """What is asked of each view, in the order of the views, and the columns' names in the result."""
    asked: dict[str, list[str]] = {}
    for reference in references:
        name, _, feature = reference.partition(":")
        asked.setdefault(name, []).append(feature)
    out = []
    for view in views:
        projection = view.projection
        prefix = f"{projection.name_alias or view.name}__" if full_feature_names else ""
        features = dict.fromkeys(asked.get(projection.name_to_use(), ()))
        out.append(Requested(view, {feature: prefix + feature for feature in features}))
    return out


def _metadata(spine: Spine, references: list[str]) -> RetrievalMetadata:
    times = spine.frame[spine.time_column]
    keys = [column for column in spine.frame.columns if column != spine.time_column]
    known = len(times) > 0
    return RetrievalMetadata(
        features=references,
        keys=keys,
        min_event_timestamp=times.min().to_pydatetime() if known else None,
        max_event_timestamp=times.max().to_pydatetime() if known else None,
    )


def _pulled(
    config: RepoConfig, source: DataSource, keys: list[str], features: list[str], timestamp: str, created: str | None
) -> dict[str, Any]:
    """What both ways of pulling are told of a source, whose reader is ours."""
    return {
        "config": config,
        "data_source": source,
        "join_key_columns": keys,
        "feature_name_columns": features,
        "timestamp_field": timestamp,
        "created_timestamp_column": created,
        "data_source_reader": _batch_reader(config, source, [*keys, *features], [timestamp, created]),
        "data_source_writer": _no_writer,
    }


def _batch_reader(
    config: RepoConfig, source: DataSource, columns: Sequence[str], times: Sequence[str | None]
) -> Reader:
    """The reader behind `feast materialize`, which is refused for events."""
    if isinstance(source, FileSource) and topic_at(config, source):
        raise ArchiveError(
            f"windowed views over {source.name!r} cannot be materialized: the stream keeps them in the online store "
            "(`rapport up`). Name plain views only: `feast materialize --views profile …`"
        )
    kinds: Mapping[str, pa.DataType] = dict.fromkeys(columns, pa.string()) | {name: TIMESTAMP for name in times if name}
    return reader(config, lambda _: pa.schema(list(kinds.items())))


def _no_writer(*_: Any) -> None:
    raise ArchiveError("what is pulled from a batch source goes to the online store; it cannot be persisted")
