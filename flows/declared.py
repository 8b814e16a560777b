"""The declared views that a flow keeps, as a value that can travel.

Whoever has the Feast registry makes it (`rapport views`); whoever only updates rows, a worker of Spark or Flink say,
reads it and needs no Feast.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from rapport.errors import DeclarationError
from rapport.windows import Plan, View, compile_view

__all__ = ["Declared", "declared_from_json", "declared_to_json"]


@dataclass(frozen=True, slots=True)
class Declared:
    """What the Feast registry declares: the project's name, and the plans of windowed views by topic."""

    project: str
    plans: Mapping[str, Sequence[Plan]]

    def all_plans(self) -> Iterator[Plan]:
        for plans in self.plans.values():
            yield from plans


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The JSON document: views as they were declared; plans follow from them."""

    project: str
    views: dict[str, list[View]]


def declared_to_json(declared: Declared) -> bytes:
    """The declarations as a JSON document: `project`, and `views` by topic, each with all fields of a View."""
    views = {topic: [plan.view for plan in plans] for topic, plans in declared.plans.items()}
    return msgspec.json.encode(_Document(declared.project, views))


def declared_from_json(document: bytes) -> Declared:
    """The declarations of a document, planned.

    Raises:
        DeclarationError: it is not such a document, or a view in it cannot be computed.
    """
    try:
        read = msgspec.json.decode(document, type=_Document)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DeclarationError(
            f"this is not a document of declared views: {error}; write one with `rapport views`"
        ) from error
    return Declared(
        read.project, {topic: [compile_view(view) for view in views] for topic, views in read.views.items()}
    )
