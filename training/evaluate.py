"""Metrics and pictures of a fitted model on rows later than its training, beside its baselines."""

from __future__ import annotations

from pathlib import Path

from training.baselines import baselines, rfm_scores
from training.dataset import Dataset
from training.fit import Fitted
from training.metrics import evaluate
from training.plots import importance_plot, score_plots

__all__ = ["evaluate_fitted", "picture"]


def evaluate_fitted(fitted: Fitted, train: Dataset, test: Dataset) -> dict[str, float]:
    """Metrics on the test rows, of the baselines too, and of the folds (`cv_…`, weighted by rows)."""
    found = evaluate(test.label, fitted.predict(test))
    rows = sum(fold["rows"] for fold in fitted.folds)
    for name in ("auc", "log_loss"):
        found[f"cv_{name}"] = sum(fold[name] * fold["rows"] for fold in fitted.folds) / rows
    found |= {"train_rows": float(len(train)), "test_rows": float(len(test)), "rounds": float(fitted.rounds)}
    return found | baselines(train, test)


def picture(folder: Path, fitted: Fitted, train: Dataset, test: Dataset) -> None:
    """Write ROC, precision-recall, calibration and importance into a folder."""
    scores = {"XGBoost": fitted.predict(test)}
    simple = rfm_scores(train, test)
    if simple is not None:
        scores["logistic regression on RFM"] = simple
    score_plots(folder, test.label, scores)
    importance_plot(folder, fitted.booster.get_score(importance_type="total_gain"))
