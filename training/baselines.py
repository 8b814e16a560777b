"""What a model has to beat: the base rate, and a logistic regression on plain RFM."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.dataset import Dataset
from training.metrics import auc, log_loss

__all__ = ["baselines", "rfm_scores"]

_RFM = ("rfm__recency_s", "rfm__frequency", "rfm__monetary_micros")


def baselines(train: Dataset, test: Dataset) -> dict[str, float]:
    """Metrics of both on the test rows; the logistic regression only when the data has RFM features."""
    rate = np.full(len(test), train.label.mean())
    found = {"base_rate": float(train.label.mean()), "base_rate_log_loss": log_loss(test.label, rate)}
    scores = rfm_scores(train, test)
    if scores is not None:
        found |= {"rfm_auc": auc(test.label, scores), "rfm_log_loss": log_loss(test.label, scores)}
    return found


def rfm_scores(train: Dataset, test: Dataset) -> NDArray[np.float64] | None:
    """Probabilities of a logistic regression on the logarithms of recency, frequency and monetary value.

    None when the data has no RFM features, or only one class to train with.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    columns = [train.names.index(name) for name in _RFM if name in train.names]
    if not columns or len(np.unique(train.label)) < 2:
        return None
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000))
    model.fit(_inputs(train.matrix[:, columns]), train.label)
    scores: NDArray[np.float64] = model.predict_proba(_inputs(test.matrix[:, columns]))[:, 1]
    return scores


def _inputs(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    # never bought is its own column; recency, first, is then 0 as the others are
    never = np.isnan(matrix[:, :1]).astype(np.float64)
    return np.hstack([np.log1p(np.maximum(np.nan_to_num(matrix), 0.0)), never])
