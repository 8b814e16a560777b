"""How good probabilities are: order, sharpness, and whether they can be believed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["auc", "brier", "calibration_error", "evaluate", "log_loss", "row_losses", "weighted_auc"]

Array = NDArray[np.float64]
_CLIP = 1e-6
_BINS = 10


def evaluate(label: Array, score: Array) -> dict[str, float]:
    """AUC, area under the precision-recall curve, log loss, Brier score and calibration error of probabilities."""
    from sklearn.metrics import average_precision_score

    return {
        "auc": auc(label, score),
        "pr_auc": float(average_precision_score(label, score)),
        "log_loss": log_loss(label, score),
        "brier": brier(label, score),
        "calibration_error": calibration_error(label, score),
        "mean_score": float(score.mean()),
        "positive_share": float(label.mean()),
    }


def auc(label: Array, score: Array) -> float:
    """Area under the ROC curve; ties count half. 0.5 when only one class is there."""
    return weighted_auc(label, score, np.ones(len(label)))


def weighted_auc(label: Array, score: Array, weight: Array) -> float:
    """AUC of rows that count `weight` times."""
    order = np.argsort(score, kind="stable")
    ordered = score[order]
    positive = (weight * label)[order]
    negative = (weight * (1 - label))[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    positives, negatives = np.add.reduceat(positive, starts), np.add.reduceat(negative, starts)
    below = np.concatenate(([0.0], np.cumsum(negatives)[:-1]))
    pairs = positives.sum() * negatives.sum()
    return float((positives * (below + negatives / 2)).sum() / pairs) if pairs else 0.5


def row_losses(label: Array, score: Array) -> Array:
    """Log loss of each row, in nats; scores are kept 1e-6 away from certainty."""
    kept = np.clip(score, _CLIP, 1 - _CLIP)
    losses: Array = -(label * np.log(kept) + (1 - label) * np.log1p(-kept))
    return losses


def log_loss(label: Array, score: Array) -> float:
    return float(row_losses(label, score).mean())


def brier(label: Array, score: Array) -> float:
    """Mean squared difference of probability and outcome."""
    return float(((score - label) ** 2).mean())


def calibration_error(label: Array, score: Array) -> float:
    """Expected calibration error: |mean score - share of positives| over ten bins of equal count, weighted by count."""
    order = np.argsort(score, kind="stable")
    gaps = [
        abs(score[rows].mean() - label[rows].mean()) * len(rows) for rows in np.array_split(order, _BINS) if len(rows)
    ]
    return float(sum(gaps) / len(label))
