"""Whether ONNX Runtime gives what XGBoost gives: shown on the evaluation rows before it may serve."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rapport.errors import ModelRefused
from rapport.models.scorer import ONNX, Model, open_onnx

__all__ = ["TOLERANCE", "largest_difference"]

TOLERANCE = 1e-5
"""Largest difference of probabilities at which both runtimes are called equal: sums of float32 in another order."""


def largest_difference(folder: Path, model: Model, matrix: NDArray[np.float64]) -> float | None:
    """The largest difference of the two runtimes' probabilities, None when there is no ONNX model that can be run.

    Args:
        folder: the model's folder.
        model: the same model, loaded; its probabilities are XGBoost's.
        matrix: float64[n, F]; as much again is tried with every value missing in turn.
    """
    if not (folder / ONNX).is_file():
        return None
    try:
        onnx = open_onnx(folder / ONNX)
    except ModelRefused:
        return None
    blanked = matrix.copy()
    blanked[np.arange(len(matrix)), np.arange(len(matrix)) % matrix.shape[1]] = np.nan
    rows = np.vstack([matrix, blanked, np.full((1, matrix.shape[1]), np.nan)])
    return float(np.abs(onnx(rows) - model.predict(rows)).max())
