"""The gate: whether a candidate is better than what serves now, on data later than both were trained on.

Rows of one customer resemble each other, so customers are resampled, not rows (cluster bootstrap, paired: both models
score the same resample). A candidate is admitted when its log loss is lower in 95 % of the resamples, and its AUC is
not lower in 95 % of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.metrics import auc, log_loss, row_losses, weighted_auc

__all__ = ["LEAST_ROWS", "Verdict", "judge"]

LEAST_ROWS = 100
_RESAMPLES = 400
_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says, why, and the numbers behind it (log loss in nats; gains are positive when better)."""

    admitted: bool
    reason: str
    numbers: dict[str, float]


def judge(
    label: NDArray[np.float64],
    candidate: NDArray[np.float64],
    rival: NDArray[np.float64],
    group: NDArray[np.int64],
    *,
    rival_name: str,
    seed: int = 0,
) -> Verdict:
    """Compare probabilities of the same rows.

    Args:
        label, candidate, rival: float64[n].
        group: int64[n], the customer's number.
        rival_name: for the reason: "champion 3", "the base rate".
    """
    numbers = {"rows": float(len(label)), "customers": float(len(np.unique(group)))}
    if len(label) < LEAST_ROWS or len(np.unique(label)) < 2:
        why = f"{len(label)} rows later than both were trained on, {int(label.sum())} of them positive"
        return Verdict(False, f"{why}: at least {LEAST_ROWS} rows of both classes are needed", numbers)
    loss_gains, auc_gains = _resampled_gains(label, candidate, rival, group, seed)
    numbers |= {
        "candidate_log_loss": log_loss(label, candidate),
        "rival_log_loss": log_loss(label, rival),
        "log_loss_gain_low": float(np.quantile(loss_gains, 1 - _CONFIDENCE)),
        "candidate_auc": auc(label, candidate),
        "rival_auc": auc(label, rival),
        "auc_gain_high": float(np.quantile(auc_gains, _CONFIDENCE)),
    }
    shown = f"log loss {numbers['candidate_log_loss']:.4f} against {numbers['rival_log_loss']:.4f} of {rival_name}"
    if numbers["log_loss_gain_low"] <= 0:
        return Verdict(
            False, f"not shown better: {shown}, better in {(loss_gains > 0).mean():.0%} of resamples", numbers
        )
    if numbers["auc_gain_high"] < 0:
        ranked = f"AUC {numbers['candidate_auc']:.4f} against {numbers['rival_auc']:.4f}"
        return Verdict(False, f"{shown}, but it ranks worse: {ranked}", numbers)
    return Verdict(True, f"better: {shown}, in {(loss_gains > 0).mean():.0%} of resamples", numbers)


def _resampled_gains(
    label: NDArray[np.float64],
    candidate: NDArray[np.float64],
    rival: NDArray[np.float64],
    group: NDArray[np.int64],
    seed: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gain in log loss and in AUC of each resample of customers."""
    random = np.random.default_rng(seed)
    _, customer = np.unique(group, return_inverse=True)
    count = int(customer.max()) + 1
    gain = row_losses(label, rival) - row_losses(label, candidate)
    loss_gains, auc_gains = np.empty(_RESAMPLES), np.empty(_RESAMPLES)
    for turn in range(_RESAMPLES):
        weight = np.bincount(random.integers(0, count, count), minlength=count)[customer].astype(np.float64)
        loss_gains[turn] = (gain * weight).sum() / max(weight.sum(), 1.0)
        auc_gains[turn] = weighted_auc(label, candidate, weight) - weighted_auc(label, rival, weight)
    return loss_gains, auc_gains
