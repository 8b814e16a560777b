"""What a data set must satisfy before a model is trained with it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rapport.errors import ModelError
from training.metrics import auc

__all__ = ["LEAKAGE_AUC", "LEAST_OF_A_CLASS", "check_balance", "check_leakage"]

LEAST_OF_A_CLASS = 50
LEAKAGE_AUC = 0.99
"""No honest single feature ranks the future this well."""


def check_balance(label: NDArray[np.bool_]) -> None:
    """Refuse labels with too few of a class.

    Raises:
        ModelError
    """
    positive = int(label.sum())
    negative = len(label) - positive
    if min(positive, negative) < LEAST_OF_A_CLASS:
        raise ModelError(
            f"{len(label)} decisions have {positive} positive and {negative} negative labels: at least "
            f"{LEAST_OF_A_CLASS} of each are needed; wait for more events, or choose another horizon"
        )


def check_leakage(names: Sequence[str], matrix: NDArray[np.float64], label: NDArray[np.float64]) -> None:
    """Refuse features that alone tell the label: they see what had not happened yet.

    Raises:
        ModelError: names them.
    """
    telling = []
    for name, column in zip(names, matrix.T, strict=True):
        # missing is a value too: it must not tell the label either
        score = auc(label, np.where(np.isnan(column), np.inf, column))
        other = auc(label, np.where(np.isnan(column), -np.inf, column))
        if max(score, 1 - score, other, 1 - other) > LEAKAGE_AUC:
            telling.append(name)
    if telling:
        raise ModelError(
            f"{', '.join(telling)} alone tell the label (AUC over {LEAKAGE_AUC}): the feature sees what happened after "
            "the decision, or the label is made of it; look at the view's source and the event times"
        )
