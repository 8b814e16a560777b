"""Scores, segment and reasons of one customer, from the champions that serve."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rapport.decisions.degraded import MODEL_UNAVAILABLE, NO_INPUTS, NO_REASONS, NO_SCORES, OVERLOADED
from rapport.decisions.known import Known
from rapport.decisions.reasons import reason_of
from rapport.decisions.record import FeatureValue, Reason
from rapport.models import Manifest, Model, Segments, print_of
from rapport.models.rfm import UNKNOWN
from rapport.online import FeatureRows

__all__ = ["MODELS", "SEGMENTS", "ChampionSource", "Scored", "Scorer"]

MODELS = ("purchase_propensity", "escalation_risk")
"""The models that every decision asks."""
SEGMENTS = "segments"
_RFM = ("rfm__recency_s", "rfm__frequency", "rfm__monetary_micros")
_SCORES_LEFT_OUT = frozenset({NO_SCORES, OVERLOADED})


class ChampionSource(Protocol):
    """The models that serve now (rapport.models.Champions)."""

    def get(self, name: str) -> Model | None: ...

    def segments(self, name: str = SEGMENTS) -> Segments | None: ...


@dataclass(slots=True)
class Scored:
    """What the models say of a customer.

    Attributes:
        contributions: model to feature to log-odds, to 4 places, without those that are 0.
        models: model that is there to the SHA-256 of its manifest.
    """

    scores: dict[str, float] = field(default_factory=dict)
    contributions: dict[str, dict[str, float]] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    reasons: list[Reason] = field(default_factory=list)
    segment: str = UNKNOWN
    activity: str | None = None
    degraded: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where a model's inputs are in the rows that were read; `picks` None: not all of them were."""

    manifest: Manifest
    names: tuple[str, ...]
    inputs: tuple[str, ...]
    views: frozenset[str]
    picks: NDArray[np.int64] | None


class Scorer:
    """Asks the champions. A model is asked only when one of its views knows the customer: a score made of nothing but
    missing values is no score.

    Attributes:
        champions: the models that serve; None while there is nothing to check them against.
    """

    def __init__(self, champions: ChampionSource | None = None) -> None:
        self.champions = champions
        self._layouts: dict[str, _Layout] = {}
        self._prints: dict[str, tuple[Manifest, str]] = {}

    def score(self, known: Known, left_out: Collection[str] = ()) -> Scored:
        """What the models say.

        Args:
            left_out: codes of what there is no time for (rapport.decisions.degraded).
        """
        scored = Scored()
        if left_out and not _SCORES_LEFT_OUT.isdisjoint(left_out):
            return scored
        explained = not left_out or NO_REASONS not in left_out
        for name in MODELS:
            self._ask(name, known, scored, explained)
        self._segment(known, scored)
        return scored

    def _ask(self, name: str, known: Known, scored: Scored, explained: bool) -> None:
        model = self.champions.get(name) if self.champions else None
        if model is None:
            scored.degraded.append(f"{MODEL_UNAVAILABLE}:{name}")
            return
        scored.models[name] = self._print(name, model.manifest)
        if known.rows is None:
            return
        layout = self._layout(name, model, known.rows)
        if layout.picks is None:
            scored.degraded.append(f"{MODEL_UNAVAILABLE}:{name}")
            return
        if layout.views.issubset(known.absent):
            scored.degraded.append(f"{NO_INPUTS}:{name}")
            return
        judged = model.judge(known.rows.vector[known.at], layout.picks)
        scored.scores[name] = round(judged.probability, 6)
        scored.versions[name] = model.version
        if not explained:
            return
        amounts, names = judged.contributions, layout.inputs
        scored.contributions[name] = {feature: one for feature, one in zip(names, amounts, strict=True) if one}
        scored.reasons += [
            reason_of(name, names[at], amounts[at], _number(known.features, names[at])) for at in judged.top
        ]

    def _segment(self, known: Known, scored: Scored) -> None:
        segments = self.champions.segments(SEGMENTS) if self.champions else None
        if segments is None:
            scored.degraded.append(f"{MODEL_UNAVAILABLE}:{SEGMENTS}")
            return
        scored.models[SEGMENTS] = self._print(SEGMENTS, segments.manifest)
        if known.rows is None:
            return
        features = known.features
        scored.versions[SEGMENTS] = segments.version
        scored.segment = segments.rfm(*[_number(features, name) for name in _RFM]).name
        scored.activity = segments.activity([_number(features, name) for name in segments.activity_features])

    def _print(self, name: str, manifest: Manifest) -> str:
        known = self._prints.get(name)
        if known is None or known[0] is not manifest:
            known = self._prints[name] = (manifest, print_of(manifest))
        return known[1]

    def _layout(self, name: str, model: Model, rows: FeatureRows) -> _Layout:
        layout = self._layouts.get(name)
        if layout is None or layout.manifest is not model.manifest or layout.names is not rows.names:
            layout = self._layouts[name] = _layout_of(model.manifest, rows.names)
        return layout


def _layout_of(manifest: Manifest, names: tuple[str, ...]) -> _Layout:
    places: dict[str, int] = {name: at for at, name in enumerate(names)}
    inputs = manifest.feature_names
    picks: NDArray[np.int64] | None = None
    if all(name in places for name in inputs):
        picks = np.array([places[name] for name in inputs], dtype=np.int64)
    return _Layout(manifest, names, inputs, frozenset(feature.view for feature in manifest.features), picks)


def _number(features: Mapping[str, FeatureValue], name: str) -> float | None:
    value = features.get(name)
    return value if isinstance(value, float) else None
