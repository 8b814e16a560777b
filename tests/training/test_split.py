"""Splits by time share no label between training and validation."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.split import Split, expanding_folds, holdout

TIMES = st.lists(st.integers(0, 10_000), min_size=1, max_size=300).map(lambda times: np.sort(np.array(times)))


def _sound(times: np.ndarray, split: Split, horizon: int) -> None:
    assert (times[split.train] + horizon < split.start_us).all()
    assert (times[split.valid] >= split.start_us).all()


@given(times=TIMES, horizon=st.integers(1, 3_000), folds=st.integers(1, 5))
def test_folds_expand_and_share_nothing(times: np.ndarray, horizon: int, folds: int) -> None:
    splits = expanding_folds(times, folds, horizon)
    assert len(splits) == folds
    for split in splits:
        _sound(times, split, horizon)
    sizes = [len(split.train) for split in splits]
    assert sizes == sorted(sizes)
    seen = np.concatenate([split.valid for split in splits])
    assert len(np.unique(seen)) == len(seen)


@given(times=TIMES, horizon=st.integers(1, 3_000), share=st.floats(0.05, 0.6))
def test_the_holdout_is_the_newest_part(times: np.ndarray, horizon: int, share: float) -> None:
    split = holdout(times, share, horizon)
    _sound(times, split, horizon)
    assert split.valid.tolist() == list(range(len(times) - len(split.valid), len(times)))
    assert len(split.valid) >= 1
