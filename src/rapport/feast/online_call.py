"""What get_online_features asks, prepared once for a set of views and features, and answered many times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from feast.protos.feast.types.Value_pb2 import Value
from feast.utils import _get_unique_entities

from rapport.feast.answers import StoredView, ViewsQuery, add_to_response
from rapport.online.questions import Hashes, Reply
from rapport.online.stored import KnownLayouts
from rapport.online.views import WindowedView

__all__ = ["OnlineCall", "PreparedCall"]

Entity = dict[str, Value]
"""A Feast entity: join key to value."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Views about the same entities: their hashes are read once.

    Attributes:
        table: one of them.
        query: reads all of them.
        members: the views' places in the call.
    """

    table: Any
    query: ViewsQuery
    members: list[int]


class PreparedCall:
    """The views of a call, by what they are about.

    Args:
        tables: Feast's views, each with the features wanted of it, and how to read them.
        full_names: whether the response's names are `view__feature`.
        layouts: finds the layouts of rows that were written under another declaration.
    """

    def __init__(
        self,
        tables: Sequence[tuple[Any, Sequence[str], WindowedView | StoredView]],
        *,
        full_names: bool,
        layouts: KnownLayouts,
    ) -> None:
        self.tables = [table for table, _, _ in tables]
        self.names = [
            [f"{table.projection.name_to_use()}__{feature}" if full_names else feature for feature in features]
            for table, features, _ in tables
        ]
        abouts: dict[object, list[int]] = {}
        for at, table in enumerate(self.tables):
            about = (*table.join_keys, *sorted(table.projection.join_key_map.items()))
            abouts.setdefault(about, []).append(at)
        self.groups = [
            _Group(self.tables[members[0]], ViewsQuery([tables[at][2] for at in members], layouts), members)
            for members in abouts.values()
        ]


class OnlineCall:
    """One call: which entities each group of views is asked for.

    Args:
        prepared: the call's views.
        values, join_keys: Feast's join key values, and its entity names to join keys.
        keys_of: the Redis keys of some entities.
    """

    def __init__(
        self, prepared: PreparedCall, values: Any, join_keys: Any, keys_of: Callable[[Sequence[Entity]], list[bytes]]
    ) -> None:
        self._prepared = prepared
        self._rows_of: list[list[int]] = []
        self.questions: list[Hashes] = []
        for group in prepared.groups:
            unique, indexes, output_len = _get_unique_entities(group.table, values, join_keys)
            self.questions.append(group.query.fields.of(keys_of(unique)))
            row_of = [0] * output_len
            for entity, rows in enumerate(indexes):
                for row in rows:
                    row_of[row] = entity
            self._rows_of.append(row_of)

    def have_changed(self, replies: Sequence[Reply]) -> bool:
        """Whether any reply holds a row of another declaration, so that `respond` may ask Redis for its layout."""
        return any(group.query.have_changed(mine) for group, mine in self._by_group(replies))

    def _by_group(self, replies: Sequence[Reply]) -> Iterator[tuple[_Group, Sequence[Reply]]]:
        start = 0
        for group, question in zip(self._prepared.groups, self.questions, strict=True):
            yield group, replies[start : start + question.count]
            start += question.count

    def respond(self, replies: Sequence[Reply], as_of_us: int, response: Any, versions: bool) -> None:
        """Fill a GetOnlineFeaturesResponse from the questions' replies, view by view."""
        prepared = self._prepared
        parts: list[Any] = [None] * len(prepared.tables)
        for (group, mine), row_of in zip(self._by_group(replies), self._rows_of, strict=True):
            for at, answer in zip(group.members, group.query.answers(mine, as_of_us), strict=True):
                parts[at] = answer, row_of
        for table, names, (answer, row_of) in zip(prepared.tables, prepared.names, parts, strict=True):
            add_to_response(response, answer, names, row_of)
            if versions:
                _add_version(response, table)


def _add_version(response: Any, table: Any) -> None:
    name = table.projection.name_alias or table.projection.name
    if all(known.name != name for known in response.metadata.feature_view_metadata):
        entry = response.metadata.feature_view_metadata.add()
        entry.name = name
        entry.version = getattr(table, "current_version_number", 0) or 0
