"""The gate lets better models through and keeps equal and worse ones out."""

from __future__ import annotations

import numpy as np

from training.gate import LEAST_ROWS, judge


def _world(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, their true probabilities, and customers of ten rows each."""
    random = np.random.default_rng(seed)
    truth = random.beta(1, 2, rows)
    return (random.random(rows) < truth).astype(float), truth, np.arange(rows) // 10


def test_a_better_model_is_admitted() -> None:
    label, truth, group = _world(2_000, 1)
    verdict = judge(label, truth, np.full(2_000, label.mean()), group, rival_name="the base rate")
    assert verdict.admitted
    assert "of the base rate" in verdict.reason
    assert verdict.numbers["log_loss_gain_low"] > 0
    assert verdict.numbers["customers"] == 200


def test_the_same_model_is_refused() -> None:
    label, truth, group = _world(2_000, 2)
    verdict = judge(label, truth, truth, group, rival_name="champion 1")
    assert not verdict.admitted
    assert verdict.reason.startswith("not shown better")


def test_a_worse_model_is_refused() -> None:
    label, truth, group = _world(2_000, 3)
    assert not judge(label, truth**4, truth, group, rival_name="champion 1").admitted


def test_noise_is_rarely_admitted() -> None:
    """An equally good candidate gets through in at most about one case of twenty, as the confidence says."""
    admitted = 0
    for seed in range(30):
        label, truth, group = _world(400, 100 + seed)
        random = np.random.default_rng(seed)
        one, other = (np.clip(truth + random.normal(0, 0.1, 400), 0.02, 0.98) for _ in range(2))
        admitted += judge(label, one, other, group, rival_name="champion 1").admitted
    assert admitted <= 5


def test_better_calibrated_but_worse_ranked_is_refused() -> None:
    label, truth, group = _world(4_000, 4)
    overconfident = np.where(truth > np.median(truth), 1 - (1 - truth) ** 9, truth**9)
    verdict = judge(label, np.round(truth * 2) / 2 * 0.9 + 0.03, overconfident, group, rival_name="champion 1")
    assert not verdict.admitted
    assert "ranks worse" in verdict.reason


def test_few_rows_say_nothing() -> None:
    label, truth, group = _world(LEAST_ROWS - 1, 5)
    verdict = judge(label, truth, np.full(len(label), 0.5), group, rival_name="the base rate")
    assert not verdict.admitted
    assert "at least 100 rows of both classes" in verdict.reason


def test_one_class_says_nothing() -> None:
    rows = np.ones(500)
    assert not judge(rows, rows * 0.9, rows * 0.5, np.arange(500), rival_name="the base rate").admitted
