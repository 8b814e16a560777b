"""The cases of a mapping, compiled, and the columns that each of them reads."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from rapport.events.schema import EVENT_TYPES
from rapport.mapping.conditions import Test, compile_when
from rapport.mapping.fields import FieldValues, columns_of, compile_field
from rapport.replay.load import ResolvedCase, cases_of
from rapport.replay.mapping import Mapping

__all__ = ["CompiledCase", "compile_cases", "needed_columns"]


@dataclass(frozen=True, slots=True)
class CompiledCase:
    """One kind of row, ready to run: either a topic and its fields, or the reason why it is rejected.

    Attributes:
        test: which rows it takes; None: all that are left.
        columns: the file's columns that its event needs.
        required: the event's fields that must have a value.
    """

    test: Test | None
    topic: str
    reason: str
    note: str
    columns: tuple[str, ...]
    fields: dict[str, FieldValues]
    required: frozenset[str]


def compile_cases(mapping: Mapping) -> list[CompiledCase]:
    """The mapping's cases, in order."""
    return [_compile(mapping, case) for case in cases_of(mapping)]


def needed_columns(mapping: Mapping) -> tuple[str, ...]:
    """All columns that a mapping reads, each once."""
    names = list(_base_columns(mapping))
    for resolved in cases_of(mapping):
        names += [*resolved.case.when, *_field_columns(resolved)]
    return tuple(dict.fromkeys(names))


def _compile(mapping: Mapping, resolved: ResolvedCase) -> CompiledCase:
    case = resolved.case
    required = frozenset[str]()
    if resolved.topic:
        required = frozenset(f.name for f in msgspec.structs.fields(EVENT_TYPES[resolved.topic]) if f.required)
    return CompiledCase(
        test=compile_when(case.when),
        topic=resolved.topic,
        reason=case.reject or "",
        note=case.note,
        columns=tuple(dict.fromkeys([*_base_columns(mapping), *_field_columns(resolved)])),
        fields={name: compile_field(name, rule) for name, rule in resolved.fields.items()},
        required=required,
    )


def _base_columns(mapping: Mapping) -> list[str]:
    own_id = [mapping.event_id.column] if mapping.event_id.by == "column" else []
    return [mapping.time.column, mapping.customer.column, *own_id]


def _field_columns(resolved: ResolvedCase) -> list[str]:
    return [column for rule in resolved.fields.values() for column in columns_of(rule)]
