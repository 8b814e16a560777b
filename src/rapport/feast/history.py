"""History over a spine: windowed views by the engine, plain views by Feast's own point-in-time join."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from feast import FeatureView, FileSource, StreamFeatureView
from feast.infra.offline_stores.ibis import get_historical_features_ibis
from feast.repo_config import RepoConfig
from feast.type_map import feast_value_type_to_pa
from feast.types import String

from rapport.errors import DeclarationError
from rapport.feast.declare import is_windowed, view_of
from rapport.feast.event_files import path_of, reading
from rapport.feast.plain_files import reader, schema_of_view
from rapport.feast.retrieval import History
from rapport.feast.spine import Spine
from rapport.feast.sweep import STATUS, EventSource, sweep
from rapport.windows import compile_view

__all__ = ["Requested", "compute_history"]

_ROW = "__rapport_row__"


@dataclass(frozen=True, slots=True)
class Requested:
    """A view, and which of its features are asked for: name in the view to name in the result."""

    view: FeatureView
    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Group:
    """Windowed views that share a scan: same events, same entity key, same column of the spine."""

    source: FileSource
    key: str
    spine_column: str
    text: bool
    members: list[Requested]


def compute_history(
    config: RepoConfig, registry: Any, spine: Spine, requested: Sequence[Requested], *, known_only: bool = False
) -> History:
    """The features of every row of the spine, in the order of `requested`.

    Args:
        known_only: of plain views, leave out rows created after the row's time.
    """
    columns: dict[str, Any] = {}
    statuses: dict[str, npt.NDArray[np.uint8]] = {}
    for group in _groups(config, [r for r in requested if is_windowed(r.view)]):
        for member, table in zip(group.members, _windowed(config, spine, group), strict=True):
            statuses[member.view.projection.name_to_use()] = table[STATUS].to_numpy()
            columns |= {name: table[feature] for feature, name in member.names.items()}
    plain = [r for r in requested if not is_windowed(r.view)]
    if plain:
        columns |= _plain(config, registry, spine, plain, known_only=known_only)
    order = [name for r in requested for name in r.names.values()]
    return History(pa.table({name: columns[name] for name in order}), statuses)


def _groups(config: RepoConfig, requested: Sequence[Requested]) -> Iterator[_Group]:
    groups: dict[Any, _Group] = {}
    for member in requested:
        view = member.view
        assert isinstance(view, StreamFeatureView)
        key = _key(view)
        spine_column = view.projection.join_key_map.get(key.name, key.name)
        path = path_of(config, view.batch_source)
        declared = view_of(view)
        same = (path, key.name, spine_column, (*declared.kinds.items(), *declared.scales.items()))
        group = _Group(view.batch_source, key.name, spine_column, key.dtype == String, [])
        groups.setdefault(same, group).members.append(member)
    yield from groups.values()


def _key(view: StreamFeatureView) -> Any:
    if len(view.entity_columns) != 1:
        raise DeclarationError(
            f"windowed view {view.name!r} has {len(view.entity_columns)} entity keys; declare one entity"
        )
    return view.entity_columns[0]


def _windowed(config: RepoConfig, spine: Spine, group: _Group) -> list[pa.Table]:
    entity, keys = spine.keys(group.spine_column, text=group.text)
    plans = [compile_view(view_of(member.view)) for member in group.members]
    time = group.source.timestamp_field or "event_time"
    with reading(config, group.source) as sql:
        events = EventSource(group.source.name, sql, group.key, time)
        return sweep(events, plans, entity, keys, spine.as_of_us)


def _plain(
    config: RepoConfig, registry: Any, spine: Spine, requested: Sequence[Requested], *, known_only: bool
) -> dict[str, pa.ChunkedArray]:
    """Feast's own join; it loses the order of rows, so a row number travels along."""
    views = [member.view for member in requested]
    names = {name: feature for member in requested for feature, name in member.names.items()}
    if not len(spine):
        return {name: pa.chunked_array([], _types(requested)[name]) for name in names}
    schemas = {view.batch_source.name: schema_of_view(view) for view in views}
    job = get_historical_features_ibis(
        config=config,
        feature_views=views,
        feature_refs=[f"{m.view.projection.name_to_use()}:{feature}" for m in requested for feature in m.names],
        entity_df=_keys_only(spine, views),
        registry=registry,
        project=config.project,
        data_source_reader=reader(config, lambda source: schemas[source.name]),
        data_source_writer=None,
        full_feature_names=any(name != feature for name, feature in names.items()),
        filter_by_created_timestamp=known_only,
    )
    table = job.to_arrow().sort_by(_ROW)
    return {name: table[name].cast(_types(requested)[name]) for name in names}


def _keys_only(spine: Spine, views: Sequence[FeatureView]) -> pd.DataFrame:
    keys = {v.projection.join_key_map.get(c.name, c.name): None for v in views for c in v.entity_columns}
    frame = spine.frame[[*keys, spine.time_column]].copy()
    frame[_ROW] = np.arange(len(spine))
    return frame


def _types(requested: Sequence[Requested]) -> dict[str, pa.DataType]:
    return {
        member.names[field.name]: feast_value_type_to_pa(field.dtype.to_value_type())
        for member in requested
        for field in member.view.features
        if field.name in member.names
    }
