"""Bins of the reference: every value has one, and the cuts are where they must be."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from monitoring.bins import MISSING, number_bins

columns = hnp.arrays(
    np.float64,
    st.integers(0, 60),
    elements=st.one_of(st.integers(-3, 3).map(float), st.floats(allow_nan=True, allow_infinity=True)),
)


@given(columns, columns)
def test_every_value_has_a_bin_and_nulls_have_their_own(reference: np.ndarray, current: np.ndarray) -> None:
    bins = number_bins(reference)
    labels = bins.label(current)
    assert set(labels) <= {*bins.labels, MISSING}
    assert ((labels == MISSING) == np.isnan(current)).all()


@given(columns)
def test_greater_values_never_come_in_lower_bins(reference: np.ndarray) -> None:
    bins = number_bins(reference)
    values = np.sort(reference[~np.isnan(reference)])
    labels = list(bins.label(values))
    assert [bins.labels.index(label) for label in labels] == sorted(bins.labels.index(label) for label in labels)


def test_a_long_tail_is_cut_at_its_deciles() -> None:
    values = np.random.default_rng(0).lognormal(0, 3, 10_000)
    _, counts = np.unique(number_bins(values).label(values), return_counts=True)
    assert counts.tolist() == [1_000] * 10


def test_a_value_that_many_rows_share_has_a_bin_of_its_own() -> None:
    reference = np.array([0.0] * 80 + [1.0] * 10 + [2.5] * 10)
    labels = number_bins(reference).label(np.array([-1.0, 0.0, 0.5, 1.0, 2.5, np.nan]))
    assert [label.partition(": ")[2] or label for label in labels] == [
        "below 0",
        "= 0",
        "over 0, below 1",
        "= 1",
        "over 1",
        "missing",
    ]


def test_a_constant_column_sees_any_other_value() -> None:
    labels = number_bins(np.full(50, 7.0)).label(np.array([6.9, 7.0, 7.1]))
    assert len(set(labels)) == 3


def test_a_column_without_values_has_one_bin() -> None:
    labels = number_bins(np.full(5, np.nan)).label(np.array([np.nan, 3.0]))
    assert labels.tolist() == [MISSING, "any value"]
