"""Data sets that cannot be learned from, or that see the future, are refused."""

from __future__ import annotations

import numpy as np
import pytest

from rapport.errors import ModelError
from training.guards import check_balance, check_leakage


def test_too_few_of_a_class_are_refused() -> None:
    label = np.zeros(1_000, dtype=bool)
    label[:49] = True
    with pytest.raises(ModelError, match="49 positive and 951 negative"):
        check_balance(label)
    label[:50] = True
    check_balance(label)


@pytest.mark.parametrize("leak", ["value", "reversed", "missing"])
def test_a_feature_that_tells_the_label_is_refused_by_name(leak: str) -> None:
    random = np.random.default_rng(1)
    label = (random.random(800) < 0.3).astype(float)
    honest = random.normal(size=800) + label
    telling = {"value": label, "reversed": -label, "missing": np.where(label == 1, random.random(800), np.nan)}[leak]
    check_leakage(["honest"], honest[:, None], label)
    with pytest.raises(ModelError, match="future__known alone"):
        check_leakage(["honest", "future__known"], np.column_stack([honest, telling]), label)
