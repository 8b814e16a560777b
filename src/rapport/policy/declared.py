"""policy.yaml as it is written: rules, and what they may choose from."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from rapport.policy.reading import Version

__all__ = [
    "TONES",
    "Action",
    "Arm",
    "Condition",
    "Experiment",
    "Limits",
    "PolicyFile",
    "Rule",
    "Scalar",
    "Then",
    "Thing",
    "Tone",
]

TONES = ("neutral", "friendly", "enthusiastic", "empathetic", "apologetic", "concise", "formal")
Tone = Literal["neutral", "friendly", "enthusiastic", "empathetic", "apologetic", "concise", "formal"]
Scalar = bool | int | float | str
Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class _Closed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Limits(_Closed, frozen=True):
    """All that are given must hold."""

    at_least: Annotated[float | None, Meta(description="For numbers: from here on, inclusive.")] = None
    below: Annotated[float | None, Meta(description="For numbers: up to here, exclusive.")] = None
    none_of: Annotated[list[Scalar] | None, Meta(description="A value that is known, and none of these.")] = None
    known: Annotated[bool | None, Meta(description="Whether the fact is known at all.")] = None


Condition = Limits | list[Scalar] | Scalar
"""Limits, any of a list, or a value that must be equal."""


class Then(_Closed, frozen=True):
    """What a rule chooses. What it leaves out is the default's."""

    tone: Tone
    template: Annotated[str, Meta(description="The id of a template in templates.yaml.")]
    offer: Annotated[str | UnsetType | None, Meta(description="The name of an offer, or null for none.")] = UNSET
    next_action: Annotated[str | UnsetType, Meta(description="The name of an action.")] = UNSET


class Rule(_Closed, frozen=True):
    name: Annotated[str, Meta(min_length=1, max_length=80)]
    when: Annotated[dict[str, Condition], Meta(description="Fact to condition; all must hold.")]
    then: Then


class Thing(_Closed, frozen=True):
    """An offer or an action; `values` are handed to the chatbot as they are."""

    description: Annotated[str, Meta(min_length=1, max_length=400)]
    values: dict[Name, Scalar] = {}


class Action(Thing, frozen=True):
    push: Annotated[bool, Meta(description="False: what a trigger has asked for and gets this, is not sent.")] = True


class Instead(_Closed, frozen=True):
    """What the customers of an arm get in place of what the rules choose."""

    template: Annotated[dict[str, str], Meta(description="Template id to template id.")] = {}
    tone: Annotated[dict[Tone, Tone], Meta(description="Tone to tone.")] = {}


class Arm(_Closed, frozen=True):
    share: Annotated[float, Meta(gt=0, le=1, description="Of the customers; those of all arms add up to 1.")]
    instead: Instead = Instead()


class Experiment(_Closed, frozen=True):
    """Each customer is in one arm, the same as long as name and shares are."""

    description: Annotated[str, Meta(min_length=1, max_length=400)]
    arms: Annotated[dict[Name, Arm], Meta(min_length=2, max_length=20)]


class PolicyFile(_Closed, frozen=True):
    """The first rule whose conditions all hold decides; `default` when none does."""

    format: Literal[1]
    version: Annotated[str, Version]
    actions: Annotated[dict[Name, Action], Meta(min_length=1)]
    default: Then
    rules: Annotated[list[Rule], Meta(max_length=1_000)]
    offers: dict[Name, Thing] = {}
    experiments: Annotated[dict[Name, Experiment], Meta(max_length=50)] = {}
