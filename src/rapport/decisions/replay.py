"""A logged decision made again: by the same function, from its logged features, with the models and the policy that it
had then. What comes out must be equal bit for bit; what is no longer there is named.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np

from rapport.clock import to_us
from rapport.decisions.degraded import (
    FEATURES_CORRUPT,
    FEATURES_STALE,
    FEATURES_UNAVAILABLE,
    INTERNAL_ERROR,
    NO_CONSENT,
    NO_TIME,
    OVERLOADED,
    UNKNOWN_CUSTOMER,
    cause_of,
)
from rapport.decisions.known import Known
from rapport.decisions.making import Turn, make_decision
from rapport.decisions.record import Decision, DecisionRecord, FeatureValue
from rapport.decisions.scoring import SEGMENTS, Scored, Scorer
from rapport.errors import ModelRefused, PolicyError
from rapport.models import Model, Segments, load_model, load_segments, print_of, read_manifest
from rapport.online import FeatureRows
from rapport.online.rows import Details
from rapport.policy import FILES, NEUTRAL, Bundle, KeptPolicies
from rapport.settings import Settings
from rapport.windows import Kind

__all__ = ["Replay", "Replayer", "known_of", "turn_of"]

_GIVEN = {UNKNOWN_CUSTOMER, FEATURES_UNAVAILABLE, FEATURES_CORRUPT, NO_CONSENT}
"""Codes that say how the features came, not what became of them."""
_LEFT_OUT = {NO_TIME, OVERLOADED}


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of a replay.

    Attributes:
        gone: what it would need and is no longer there; then nothing was compared.
        differences: field to (logged, made again).
    """

    gone: tuple[str, ...]
    differences: Mapping[str, tuple[Any, Any]]

    @property
    def same(self) -> bool:
        return not self.gone and not self.differences


class Replayer:
    """Makes decisions again. Keeps the models and policies that it has loaded, so that many go fast."""

    def __init__(self, settings: Settings) -> None:
        self._models = settings.data_dir / "models"
        self._kept = KeptPolicies(settings)
        self._bundles: dict[tuple[str, ...], Bundle] = {}
        self._loaded: dict[tuple[str, str, str], Model | Segments] = {}
        self._scorers: dict[tuple[tuple[str, str, str], ...], Scorer] = {}

    def replay(self, record: DecisionRecord) -> Replay:
        """Make a decision again, and compare."""
        gone = _not_logged(record)
        bundle = self.bundle(record)
        if isinstance(bundle, str):
            gone.append(bundle)
        wanted = tuple((name, record.model_versions.get(name, ""), print_) for name, print_ in record.models.items())
        models = [self._model(*one) for one in wanted]
        gone += [found for found in models if isinstance(found, str)]
        if gone or isinstance(bundle, str):
            return Replay(tuple(gone), {})
        arms = bundle.policy.arms_of(record.customer_id)
        turn = replace(turn_of(record), arms=arms)
        scored = self._scorer(wanted).score(turn.known, turn.left_out)
        decision = make_decision(turn, scored, bundle)
        return Replay((), _differences(record, decision, scored, arms))

    def bundle(self, record: DecisionRecord) -> Bundle | str:
        """The policy that decided, or why it is not there."""
        versions = (record.policy_version, record.templates_version, record.intents_version)
        if not all(versions):
            return "the policy: the decision does not say its version"
        if versions not in self._bundles:
            named = dict(zip(FILES, versions, strict=True))
            try:
                self._bundles[versions] = NEUTRAL if named == NEUTRAL.versions else self._kept.bundle(named)
            except PolicyError as error:
                return f"the policy: {error}"
        return self._bundles[versions]

    def _model(self, name: str, version: str, wanted: str) -> Model | Segments | str:
        key = (name, version, wanted)
        if key not in self._loaded:
            found = self._load_model(*key)
            if isinstance(found, str):
                return found
            self._loaded[key] = found
        return self._loaded[key]

    def _load_model(self, name: str, version: str, wanted: str) -> Model | Segments | str:
        """The model of a manifest, or why it is not there. A version that did not answer is found by its manifest."""
        folders = [self._models / name / version] if version else sorted((self._models / name).glob("*/"))
        for folder in folders:
            try:
                manifest = read_manifest(folder)
                if print_of(manifest) == wanted:
                    # the views were checked when it served; the logged features are those of then
                    load = load_segments if manifest.kind == "segments" else load_model
                    return load(folder, manifest.views)
            except (ModelRefused, OSError) as error:
                if version:
                    return f"model {name}, version {version}: {error}"
        return f"model {name}{f', version {version}' if version else ''}: no folder has the manifest {wanted[:12]}…"

    def _scorer(self, wanted: tuple[tuple[str, str, str], ...]) -> Scorer:
        """Asks these models, which are loaded."""
        if wanted not in self._scorers:
            self._scorers[wanted] = Scorer(_Then({key[0]: self._loaded[key] for key in wanted}))
        return self._scorers[wanted]


class _Then:
    """The champions of then."""

    def __init__(self, models: Mapping[str, Model | Segments]) -> None:
        self._models = models

    def get(self, name: str) -> Model | None:
        found = self._models.get(name)
        return found if isinstance(found, Model) else None

    def segments(self, name: str = SEGMENTS) -> Segments | None:
        found = self._models.get(name)
        return found if isinstance(found, Segments) else None


def turn_of(record: DecisionRecord) -> Turn:
    """What a logged decision was made from, models and policy aside."""
    stale = FEATURES_STALE in record.degraded
    known = known_of(record)
    left_out = tuple(code for code in record.degraded if cause_of(code) in _LEFT_OUT)
    turn = Turn(record.decision_id, to_us(record.as_of), known, record.signals, record.session, stale, left_out)
    return replace(turn, trigger=record.trigger.name if record.trigger else None, arms=record.arms)


def known_of(record: DecisionRecord) -> Known:
    """What was known of the customer, as it was read."""
    codes = tuple(code for code in record.degraded if cause_of(code) in _GIVEN)
    rows = _rows(record.features) if record.features else None
    absent = record.absent if rows is not None else ()
    return Known(rows, dict(record.features), record.feature_age_s, bool(record.customer_id), codes, absent)


@lru_cache(maxsize=64)
def _same_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """One object for equal names, by which a scorer knows them again."""
    return names


def _rows(features: Mapping[str, FeatureValue]) -> FeatureRows:
    """What models take of the features; nobody asks it for more."""
    names = _same_names(tuple(features))
    numbers = [value if isinstance(value, float) else np.nan for value in features.values()]
    nothing = Details({}, {}, {}, {})
    return FeatureRows(names, (Kind.FLOAT,) * len(names), np.array([numbers]), lambda: nothing)


def _not_logged(record: DecisionRecord) -> list[str]:
    if INTERNAL_ERROR in record.degraded:
        return ["the decision itself: it failed, and the service's log says where"]
    if not record.customer_id:
        why = "had refused personalization" if NO_CONSENT in record.degraded else "was not known to have agreed"
        return [f"the message and the session: the customer {why}, so they were not logged"]
    return []


def _differences(
    record: DecisionRecord, decision: Decision, scored: Scored, arms: dict[str, str]
) -> dict[str, tuple[Any, Any]]:
    pairs = {name: (getattr(record, name), getattr(decision, name)) for name in Decision.__struct_fields__}
    pairs["contributions"] = (record.contributions, scored.contributions)
    pairs["arms"] = (record.arms, arms)
    pairs["models"] = (record.models, scored.models)
    return {name: (logged, again) for name, (logged, again) in pairs.items() if _bits(logged) != _bits(again)}


def _bits(value: Any) -> bytes:
    """A value as the log writes it: shortest digits that give back the same bits."""
    return msgspec.json.encode(value)
