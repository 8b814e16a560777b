"""Metrics against scikit-learn's and against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from training.metrics import auc, brier, calibration_error, evaluate, log_loss, weighted_auc

ROWS = st.lists(st.tuples(st.booleans(), st.integers(1, 9), st.integers(0, 3)), min_size=2, max_size=80)


@given(rows=ROWS)
def test_weighted_auc_equals_scikit_learn(rows: list[tuple[bool, int, int]]) -> None:
    label, score, weight = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    counted = np.unique(label[weight > 0])
    expected = reference.roc_auc_score(label, score, sample_weight=weight) if len(counted) == 2 else 0.5
    assert weighted_auc(label, score, weight) == pytest.approx(expected)


@given(rows=ROWS)
def test_losses_equal_scikit_learn(rows: list[tuple[bool, int, int]]) -> None:
    label, score = np.array([row[0] for row in rows], dtype=float), np.array([row[1] for row in rows]) / 10
    assert log_loss(label, score) == pytest.approx(reference.log_loss(label, score, labels=[0, 1]))
    assert brier(label, score) == pytest.approx(reference.brier_score_loss(label, score))


def test_auc_counts_ties_half() -> None:
    assert auc(np.array([0.0, 1.0]), np.array([0.5, 0.5])) == 0.5
    assert auc(np.array([0.0, 1.0, 1.0]), np.array([0.1, 0.1, 0.9])) == 0.75


def test_calibration_of_true_probabilities_is_small_and_of_false_ones_large() -> None:
    random = np.random.default_rng(1)
    truth = random.random(20_000)
    label = (random.random(20_000) < truth).astype(float)
    assert calibration_error(label, truth) < 0.02
    assert calibration_error(label, truth**3) > 0.15


def test_evaluate_has_all_metrics() -> None:
    found = evaluate(np.array([0.0, 1.0, 1.0]), np.array([0.2, 0.9, 0.6]))
    assert found["auc"] == found["pr_auc"] == 1.0
    assert set(found) == {"auc", "pr_auc", "log_loss", "brier", "calibration_error", "mean_score", "positive_share"}
