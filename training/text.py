"""Train the text model and say how good it is: cross-validated by dialogue, choices and scales inside each fold."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from itertools import combinations, product
from pathlib import Path

import msgspec
import numpy as np
from scipy.stats import spearmanr

from rapport.events.text import seen_of, sentiment_of
from rapport.events.text_features import Seen
from rapport.events.text_model import FORMAT, Manifest, ModelFile, TextModel, Weights, digest, features_digest
from training.frustration import Ints, earlier_means, fit, folds_of
from training.plain_messages import PLAIN
from training.rated import Floats, RatedTurns, mean_rank

__all__ = ["measure", "train_text", "write_model"]

OUTER_FOLDS = 10
SPLITS = 3
"""The dialogues are cut into folds as often, each time in another way; what is said is the mean."""
DRAWS = 1_000

Progress = Callable[[float, str], None]


def train_text(turns: RatedTurns, made: date, progress: Progress = lambda _share, _what: None) -> ModelFile:
    """A model of all turns, with the scores of its cross-validation in the manifest."""
    scores = measure(turns, progress)
    weights = fit([seen_of(text) for text in turns.texts], turns.target, turns.dialogue, _plain()).weights
    manifest = Manifest(
        format=FORMAT,
        version=f"frustration-{digest(weights)[:12]}",
        features=features_digest(),
        weights=digest(weights),
        data=turns.digest,
        made=made.isoformat(),
        turns=int(turns.rated.sum()),
        dialogues=len(np.unique(turns.dialogue)),
        scores=scores,
    )
    return ModelFile(manifest, weights)


def write_model(model: ModelFile, path: Path) -> None:
    """The model's file, one that two runs over the same data write alike."""
    path.write_bytes(msgspec.json.encode(model) + b"\n")


def measure(turns: RatedTurns, progress: Progress = lambda _share, _what: None) -> dict[str, float]:
    """Spearman's correlation with the raters' mean rank, by name, beside VADER and the raters among themselves.

    Every turn is scored by a model that was made, with its choices and scales, from other dialogues. `…_low` and
    `…_high`: 95% of bootstrap samples of whole dialogues lie between.
    """
    seen, plain = [seen_of(text) for text in turns.texts], _plain()
    own, within = np.empty((SPLITS, len(seen))), np.empty((SPLITS, len(seen)))
    for split, fold in product(range(SPLITS), range(OUTER_FOLDS)):
        progress((split + fold / OUTER_FOLDS) / SPLITS, "cross-validation")
        folds = folds_of(turns.dialogue, OUTER_FOLDS, seed=1 + split)
        kept, left = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        weights = fit([seen[i] for i in kept], turns.target[kept], turns.dialogue[kept], plain).weights
        own[split, left], within[split, left] = _predicted(weights, [seen[i] for i in left], turns.dialogue[left])
    sentiment = np.array([sentiment_of(text) for text in turns.texts])
    scores = _correlations(turns, own, "own") | _correlations(turns, within, "within")
    scores |= _correlations(turns, -sentiment[None], "vader")
    return {**scores, **_raters(turns.marks), **_labels(turns, sentiment)}


def _plain() -> list[Seen]:
    return [seen_of(text) for text in PLAIN]


def _predicted(weights: Weights, seen: list[Seen], dialogue: Ints) -> tuple[Floats, Floats]:
    """Of turns that the weights were not made from: frustration by itself, and within the conversation."""
    model = TextModel(weights)
    own = np.array([model.own(one) for one in seen])
    within = [model.within(float(a), b) for a, b in zip(own, earlier_means(own, dialogue), strict=True)]
    return own, np.array(within)


def _correlations(turns: RatedTurns, scores: Floats, name: str) -> dict[str, float]:
    """Of splits x n scores: the mean over the splits, and its bootstrap interval over dialogues."""
    rated = turns.rated
    scores, target, dialogue = scores[:, rated], turns.target[rated], turns.dialogue[rated]
    rows = [np.flatnonzero(dialogue == one) for one in np.unique(dialogue)]
    random = np.random.default_rng(0)
    drawn = [np.concatenate([rows[i] for i in random.integers(len(rows), size=len(rows))]) for _ in range(DRAWS)]
    low, high = np.quantile([_mean_spearman(scores[:, one], target[one]) for one in drawn], (0.025, 0.975))
    found = {name: _mean_spearman(scores, target), f"{name}_low": low, f"{name}_high": high}
    return {key: round(float(value), 4) for key, value in found.items()}


def _mean_spearman(scores: Floats, target: Floats) -> float:
    return float(np.mean([_spearman(one, target) for one in scores]))


def _raters(marks: Floats) -> dict[str, float]:
    """Two raters with each other, least and most; one with the mean rank of the others, least and most."""
    pairs = [_of_both(marks[:, a], marks[:, b]) for a, b in combinations(range(marks.shape[1]), 2)]
    others = [_of_both(marks[:, one], mean_rank(np.delete(marks, one, 1))) for one in range(marks.shape[1])]
    named = {"rater_rater_low": min(pairs), "rater_rater_high": max(pairs)}
    named |= {"rater_others_low": min(others), "rater_others_high": max(others)}
    return {key: round(value, 4) for key, value in named.items()}


def _labels(turns: RatedTurns, sentiment: Floats) -> dict[str, float]:
    """How often a turn of the most (least) frustrated third has the lower (higher) sentiment than one of the others."""
    target, sentiment = turns.target[turns.rated], sentiment[turns.rated]
    low, high = np.quantile(target, (1 / 3, 2 / 3))
    named = {"negative_auc": _auc(-sentiment, target >= high), "positive_auc": _auc(sentiment, target <= low)}
    return {key: round(value, 4) for key, value in named.items()}


def _auc(score: Floats, positive: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(positive, score))


def _of_both(a: Floats, b: Floats) -> float:
    both = ~(np.isnan(a) | np.isnan(b))
    return _spearman(a[both], b[both])


def _spearman(a: Floats, b: Floats) -> float:
    return float(spearmanr(a, b)[0])
