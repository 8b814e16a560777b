"""Registering schemas: all are checked first, and none is registered when one would break who reads or writes now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from rapport.errors import RegistryRefused
from rapport.registry.client import Registry
from rapport.registry.schema import Kind

__all__ = ["Outcome", "Wanted", "check_all", "register_all"]

State: TypeAlias = Literal["compatible", "incompatible", "present", "registered"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A schema that a subject is to have."""

    subject: str
    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one.

    Attributes:
        subject: the subject.
        state: whether it may be registered, is there already, or was registered now.
        id: the schema's, when it is there.
        messages: the registry's words on what is incompatible.
    """

    subject: str
    state: State
    id: int | None = None
    messages: tuple[str, ...] = ()


def check_all(registry: Registry, wanted: Sequence[Wanted]) -> list[Outcome]:
    """Whether each schema is there already, or may be registered.

    Raises:
        RegistryUnavailable
        RegistryRefused: one is no schema to the registry.
    """
    return [_check(registry, one) for one in wanted]


def register_all(registry: Registry, wanted: Sequence[Wanted]) -> list[Outcome]:
    """Register the schemas, unless one is incompatible: then none is, and its outcome says why.

    Raises:
        RegistryUnavailable, RegistryRefused
    """
    outcomes = check_all(registry, wanted)
    if any(outcome.state == "incompatible" for outcome in outcomes):
        return outcomes
    return [
        outcome if outcome.state == "present" else _register(registry, one, outcome)
        for one, outcome in zip(wanted, outcomes, strict=True)
    ]


def _check(registry: Registry, one: Wanted) -> Outcome:
    known = registry.find(one.subject, one.kind, one.text)
    if known is not None:
        return Outcome(one.subject, "present", known)
    compatible, messages = registry.is_compatible(one.subject, one.kind, one.text)
    if compatible:
        return Outcome(one.subject, "compatible")
    return Outcome(one.subject, "incompatible", messages=tuple(messages) or _reason(registry, one))


def _register(registry: Registry, one: Wanted, outcome: Outcome) -> Outcome:
    return replace(outcome, state="registered", id=registry.register(one.subject, one.kind, one.text))


def _reason(registry: Registry, one: Wanted) -> tuple[str, ...]:
    """The reason of a registry that gives none with its no: asked to register the schema, it refuses with it."""
    try:
        known = registry.register(one.subject, one.kind, one.text)
    except RegistryRefused as error:
        return (str(error),)
    return (f"the registry called it incompatible, and took it all the same, as {known}",)
