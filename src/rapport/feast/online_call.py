"""One get_online_features call: the queries of all its views, joined into one command per entity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rapport.feast.answers import Query, add_to_response
from rapport.online.hashes import Reply

__all__ = ["Command", "Entities", "OnlineCall"]


class Command(NamedTuple):
    """An HMGET."""

    key: bytes
    fields: list[bytes]


class Entities(NamedTuple):
    """The distinct entities that a view is asked for.

    Attributes:
        keys: their Redis keys.
        indexes: for each, the rows of the response that it fills.
        output_len: rows of the response.
    """

    keys: list[bytes]
    indexes: Sequence[Sequence[int]]
    output_len: int


@dataclass(slots=True)
class _Group:
    """Views about the same entities: their hashes are read once."""

    entities: Entities
    fields: list[bytes] = field(default_factory=list)


class OnlineCall:
    """Collects views, gives the commands for all of them, and fills the response from the replies."""

    def __init__(self) -> None:
        self._groups: dict[object, _Group] = {}
        self._parts: list[tuple[Any, Query, object, slice]] = []

    def add(self, table: Any, query: Query, about: object, entities: Callable[[], Entities]) -> None:
        """Add a Feast view. Views with an equal `about` are about the same entities."""
        group = self._groups.get(about)
        if group is None:
            group = self._groups[about] = _Group(entities())
        start = len(group.fields)
        group.fields += query.fields
        self._parts.append((table, query, about, slice(start, len(group.fields))))

    @property
    def commands(self) -> list[Command]:
        return [Command(key, group.fields) for group in self._groups.values() for key in group.entities.keys]

    def respond(self, replies: Sequence[Reply], as_of_us: int, response: Any, full_names: bool, versions: bool) -> None:
        """Fill a GetOnlineFeaturesResponse from the commands' replies, view by view in the order added."""
        rest = iter(replies)
        found = {about: [next(rest) for _ in group.entities.keys] for about, group in self._groups.items()}
        for table, query, about, fields in self._parts:
            answer = query.answer([reply[fields] for reply in found[about]], as_of_us)
            prefix = f"{table.projection.name_to_use()}__" if full_names else ""
            entities = self._groups[about].entities
            names = [prefix + feature for feature in answer.features]
            add_to_response(response, answer, names, entities.indexes, entities.output_len)
            if versions:
                _add_version(response, table)


def _add_version(response: Any, table: Any) -> None:
    name = table.projection.name_alias or table.projection.name
    if all(known.name != name for known in response.metadata.feature_view_metadata):
        entry = response.metadata.feature_view_metadata.add()
        entry.name = name
        entry.version = getattr(table, "current_version_number", 0) or 0
