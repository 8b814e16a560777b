"""Rapport's online store for Feast: windowed views are read by merging tiles as of now, plain views as Feast has them.

Every Feast client of a repository that names `rapport.feast.online_store.RapportOnlineStore` gets it. Rows stay in
Feast's Redis layout. Beyond Feast's own store: the ttl is enforced on reads, missing, null and expired are told apart
in the response's statuses, one customer can be deleted, and no other project's keys are ever matched.

"Now" is the world clock in Redis (`rapport:clock`), which a read fetches in its one round trip; the system's time
without it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from feast import Entity, FeatureView, RepoConfig
from feast.infra.online_stores.helpers import compute_versioned_name
from feast.infra.online_stores.redis import RedisOnlineStore, RedisOnlineStoreConfig
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.utils import _get_entity_key_protos
from pydantic import StrictStr

from rapport.clock import WORLD_CLOCK_KEY, from_us
from rapport.errors import StoreError
from rapport.feast.answers import Answer, StoredView, ViewsQuery
from rapport.feast.catalog import check_windowed
from rapport.feast.declare import is_windowed, topic_of, view_of
from rapport.feast.online_call import OnlineCall, PreparedCall
from rapport.online.asking import Asker, asker
from rapport.online.asking_async import AsyncAsker, async_asker
from rapport.online.clock import published_clock
from rapport.online.connect import connect, connect_async, reachable
from rapport.online.deletion import delete_customer, scan_keys
from rapport.online.keys import JOIN_KEY, TILES, KeyMaker, field_of, time_field
from rapport.online.layouts import Layouts
from rapport.online.questions import Hashes, Reply, Stored
from rapport.online.rows import MISSING
from rapport.online.views import WindowedView
from rapport.settings import Settings, load_settings
from rapport.windows import compile_view

__all__ = ["RapportOnlineStore", "RapportOnlineStoreConfig"]

_CLOCK = Stored(WORLD_CLOCK_KEY.encode())
_CALLS_KEPT = 256
"""Different calls that stay prepared."""
ReadRow = tuple[datetime | None, dict[str, Any] | None]
WriteRows = list[tuple[EntityKey, dict[str, Value], datetime, datetime | None]]


class RapportOnlineStoreConfig(RedisOnlineStoreConfig):  # type: ignore[misc]
    """`online_store:` in feature_store.yaml. The options of Feast's Redis store hold."""

    type: Literal["rapport.feast.online_store.RapportOnlineStore"] = "rapport.feast.online_store.RapportOnlineStore"
    connection_string: StrictStr = ""
    """Feast's `host:port,option=value,…`, or a URL (`redis://`, `rediss://`, `unix://`, `redis+cluster://`). Empty: the
    Redis of this installation. With a URL or nothing, the settings' redis_timeout_ms holds."""


class RapportOnlineStore(RedisOnlineStore):  # type: ignore[misc]
    """See the module. Feast makes one per FeatureStore."""

    def __init__(self) -> None:
        super().__init__()
        self._client: Any = None
        self._client_async: Any = None
        self._root: Path | None = None
        self._asker: Asker | None = None
        self._async_asker: AsyncAsker | None = None
        self._layouts: Layouts | None = None
        self._calls: dict[tuple[Any, ...], PreparedCall] = {}

    def _read_features_per_fv(
        self,
        config: RepoConfig,
        grouped_refs: Any,
        values: Any,
        join_keys: Any,
        response: Any,
        full: bool,
        versions: bool,
    ) -> None:
        """What get_online_features calls: every view's fields, and the clock, in one round trip."""
        call = self._call(config, grouped_refs, values, join_keys, full)
        replies, now_us = self._read(config, *call.questions)
        call.respond(replies, now_us, response, versions)

    async def _read_features_per_fv_async(
        self,
        config: RepoConfig,
        grouped_refs: Any,
        values: Any,
        join_keys: Any,
        response: Any,
        full: bool,
        versions: bool,
    ) -> None:
        call = self._call(config, grouped_refs, values, join_keys, full)
        replies, now_us = await self._read_async(config, *call.questions)
        if call.have_changed(replies):
            await asyncio.to_thread(call.respond, replies, now_us, response, versions)
        else:
            call.respond(replies, now_us, response, versions)

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[ReadRow]:
        """One view's values of some entities; (None, None) where nothing is known, null values where expired."""
        view = self._view(config, table, requested_features)
        query = ViewsQuery([view], self._known_layouts(config))
        keys = self._generate_redis_keys_for_entities(config, entity_keys)
        replies, now_us = self._read(config, query.fields.of(keys))
        return _read_rows(view.features, query.answers(replies, now_us)[0])

    async def online_read_async(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[ReadRow]:
        view = self._view(config, table, requested_features)
        query = ViewsQuery([view], self._known_layouts(config))
        keys = self._generate_redis_keys_for_entities(config, entity_keys)
        replies, now_us = await self._read_async(config, query.fields.of(keys))
        (answer,) = await asyncio.to_thread(query.answers, replies, now_us)
        return _read_rows(view.features, answer)

    def online_write_batch(
        self, config: RepoConfig, table: FeatureView, data: WriteRows, progress: Callable[[int], Any] | None
    ) -> None:
        """Store values of a plain view (`push`, `materialize`, `write_to_online_store`).

        Raises:
            StoreError: the view is windowed: its values come from events.
            StoreUnavailable
        """
        _refuse_windowed(table)
        self._root = config.repo_path
        with reachable(f"writing view {table.name!r}"):
            super().online_write_batch(config, table, data, progress)

    async def online_write_batch_async(
        self, config: RepoConfig, table: FeatureView, data: WriteRows, progress: Callable[[int], Any] | None
    ) -> None:
        _refuse_windowed(table)
        self._root = config.repo_path
        with reachable(f"writing view {table.name!r}"):
            await super().online_write_batch_async(config, table, data, progress)

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
        partial: bool,
    ) -> None:
        """What `feast apply` calls: refuse windowed views that cannot be computed, delete the rows of dropped views.

        Raises:
            DeclarationError: names the view, what is wrong, and the choices.
            StoreUnavailable: views are to be deleted, and Redis does not answer.
        """
        for table in tables_to_keep:
            if is_windowed(table):
                check_windowed(table)
        if config.online_store.full_scan_for_deletion:
            for table in tables_to_delete:
                self.delete_table(config, table)

    def delete_table(self, config: RepoConfig, table: FeatureView) -> None:
        """Delete one view's fields from all entities of this project."""
        if is_windowed(table):
            fields = [field_of(table.name, TILES), time_field(table.name)]
        else:
            name = _stored_name(table, config)
            fields = [*(field_of(name, feature.name) for feature in table.features), time_field(name)]
        for keys in self._keys_of(config, table.join_keys):
            self._pipeline(config, [("HDEL", key, *fields) for key in keys])

    def delete_entity_values(self, config: RepoConfig, join_keys: list[str]) -> None:
        """Delete all that is stored of all entities with these join keys, in this project only."""
        for keys in self._keys_of(config, join_keys):
            self._pipeline(config, [("DEL", key) for key in keys])

    def delete_customer(self, config: RepoConfig, customer_id: str) -> bool:
        """Delete all that is stored of one customer; whether there was anything."""
        self._root = config.repo_path
        return delete_customer(self._get_client(config.online_store), config.project, customer_id)

    async def close(self) -> None:
        """Close the connections of the asyncio client; what `await store.close()` of Feast calls."""
        if self._async_asker is not None:
            await self._async_asker.close()
        if self._client_async is not None:
            await self._client_async.aclose()

    def _call(self, config: RepoConfig, grouped_refs: Any, values: Any, join_keys: Any, full: bool) -> OnlineCall:
        keys = KeyMaker(config.project)

        def keys_of(entities: Sequence[Any]) -> list[bytes]:
            if all(len(entity) == 1 and JOIN_KEY in entity for entity in entities):
                ids = [entity[JOIN_KEY] for entity in entities]
                if all(value.WhichOneof("val") == "string_val" for value in ids):
                    return keys.keys([value.string_val for value in ids])
            return list(self._generate_redis_keys_for_entities(config, _get_entity_key_protos(entities)))

        return OnlineCall(self._prepared(config, grouped_refs, full), values, join_keys, keys_of)

    def _prepared(self, config: RepoConfig, grouped_refs: Any, full: bool) -> PreparedCall:
        # Feast hands out the same objects until the registry is read again; a prepared call keeps them alive.
        about = (config.project, full, *((id(table), *features) for table, features in grouped_refs))
        prepared = self._calls.get(about)
        if prepared is None:
            if len(self._calls) >= _CALLS_KEPT:
                self._calls.clear()
            tables = [(table, features, self._view(config, table, features)) for table, features in grouped_refs]
            prepared = self._calls[about] = PreparedCall(tables, full_names=full, layouts=self._known_layouts(config))
        return prepared

    def _known_layouts(self, config: RepoConfig) -> Layouts:
        if self._layouts is None:
            self._root = config.repo_path
            self._layouts = Layouts(self._get_client(config.online_store), config.project)
        return self._layouts

    def _view(self, config: RepoConfig, table: FeatureView, requested: list[str] | None) -> WindowedView | StoredView:
        features = tuple(requested or [feature.name for feature in table.features])
        if is_windowed(table):
            return WindowedView(compile_view(view_of(table)), features)
        return StoredView(_stored_name(table, config), features, table.ttl or timedelta())

    def _read(self, config: RepoConfig, *questions: Hashes) -> tuple[list[Reply], int]:
        self._root = config.repo_path
        client = self._get_client(config.online_store)
        if self._asker is None:
            self._asker = asker(client)
        *replies, clock = self._asker.ask(*questions, _CLOCK)
        return replies, published_clock(clock).now_us()

    async def _read_async(self, config: RepoConfig, *questions: Hashes) -> tuple[list[Reply], int]:
        self._root = config.repo_path
        client = await self._get_client_async(config.online_store)
        if self._async_asker is None:
            self._async_asker = async_asker(client)
        *replies, clock = await self._async_asker.ask(*questions, _CLOCK)
        return replies, published_clock(clock).now_us()

    def _pipeline(self, config: RepoConfig, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        self._root = config.repo_path
        client = self._get_client(config.online_store)
        with reachable("deleting rows"), client.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.execute_command(*command)
            replies: list[Any] = pipe.execute()
        return replies

    def _keys_of(self, config: RepoConfig, join_keys: Sequence[str]) -> Iterator[list[bytes]]:
        self._root = config.repo_path
        return scan_keys(self._get_client(config.online_store), config.project, join_keys)

    def _get_client(self, online_store_config: RapportOnlineStoreConfig) -> Any:
        if self._client is None and _is_rapports(online_store_config):
            self._client = connect(self._settings(online_store_config))
        return super()._get_client(online_store_config)

    async def _get_client_async(self, online_store_config: RapportOnlineStoreConfig) -> Any:
        if self._client_async is None and _is_rapports(online_store_config):
            self._client_async = connect_async(self._settings(online_store_config))
        return await super()._get_client_async(online_store_config)

    def _settings(self, online_store_config: RapportOnlineStoreConfig) -> Settings:
        settings = load_settings(root=self._root)
        url = online_store_config.connection_string
        return replace(settings, store_url=url) if url else settings


def _is_rapports(config: RapportOnlineStoreConfig) -> bool:
    return not config.connection_string or "://" in config.connection_string


def _stored_name(table: FeatureView, config: RepoConfig) -> str:
    return str(compute_versioned_name(table, config.registry.enable_online_feature_view_versioning))


def _refuse_windowed(table: FeatureView) -> None:
    if is_windowed(table):
        raise StoreError(
            f"view {table.name!r} is windowed: its values are computed from the events of topic {topic_of(table)!r}, "
            "and cannot be written. Publish events to the topic; when materializing, name only the plain views"
        )


def _read_rows(features: Sequence[str], answer: Answer) -> list[ReadRow]:
    rows: list[ReadRow] = []
    for at, (status, newest_us) in enumerate(zip(answer.status, answer.newest_us, strict=True)):
        if status == MISSING:
            rows.append((None, None))
        else:
            values = dict(zip(features, (column[at] for column in answer.values), strict=True))
            rows.append((from_us(newest_us), values))
    return rows
