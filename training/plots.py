"""Pictures of an evaluation: ROC, precision-recall, calibration, importance."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["importance_plot", "score_plots"]

_BINS = 10
_TOP = 20


def score_plots(folder: Path, label: NDArray[np.float64], scores: Mapping[str, NDArray[np.float64]]) -> None:
    """Write roc.png, precision_recall.png and calibration.png.

    Args:
        label: float64[n] of 0 and 1, both there.
        scores: name of a model to its probabilities float64[n].
    """
    from sklearn.metrics import precision_recall_curve, roc_curve

    with _Picture(folder / "roc.png", "ROC", "false positive rate", "true positive rate") as axes:
        for name, score in scores.items():
            x, y, _ = roc_curve(label, score)
            axes.plot(x, y, label=name)
        axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    with _Picture(folder / "precision_recall.png", "Precision and recall", "recall", "precision") as axes:
        for name, score in scores.items():
            precision, recall, _ = precision_recall_curve(label, score)
            axes.plot(recall, precision, label=name)
        axes.axhline(float(label.mean()), color="grey", linewidth=0.8)
    with _Picture(folder / "calibration.png", "Calibration", "mean score", "share of positives") as axes:
        for name, score in scores.items():
            bins = [rows for rows in np.array_split(np.argsort(score, kind="stable"), _BINS) if len(rows)]
            axes.plot([score[r].mean() for r in bins], [label[r].mean() for r in bins], marker="o", label=name)
        axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8)


def importance_plot(folder: Path, gains: Mapping[str, float]) -> None:
    """Write importance.png: share of the total gain of the 20 features with most."""
    total = sum(gains.values()) or 1.0
    top = sorted(gains.items(), key=lambda item: item[1])[-_TOP:]
    with _Picture(folder / "importance.png", "Importance", "share of gain", "") as axes:
        axes.barh([name for name, _ in top], [gain / total for _, gain in top], label="gain")


class _Picture:
    """A figure that is saved when the block ends. It has no global state: no pyplot."""

    def __init__(self, path: Path, title: str, x: str, y: str) -> None:
        from matplotlib.figure import Figure

        self._path = path
        self._figure = Figure(figsize=(6, 5), layout="constrained")
        self._axes = self._figure.subplots()
        self._axes.set(title=title, xlabel=x, ylabel=y)

    def __enter__(self) -> Axes:
        return self._axes

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if error is None:
            self._axes.legend()
            self._figure.savefig(self._path, dpi=100)
