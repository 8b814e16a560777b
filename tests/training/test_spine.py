"""Decision times: within their bounds, of known customers, the same for the same seed."""

from __future__ import annotations

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from training.spine import sample_spine

MOMENTS = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 1_000)), min_size=1, max_size=200)


@given(
    moments=MOMENTS, since=st.integers(0, 600), rows=st.integers(1, 100), share=st.floats(0, 1), seed=st.integers(0, 5)
)
def test_rows_are_sound(moments: list[tuple[str, int]], since: int, rows: int, share: float, seed: int) -> None:
    frame = pd.DataFrame(moments, columns=["customer_id", "time_us"])
    until = 900
    spine = sample_spine(frame, since_us=since, until_us=until, rows=rows, random_share=share, seed=seed)
    assert len(spine) <= rows
    assert spine["as_of_us"].between(since, until).all()
    assert spine["as_of_us"].is_monotonic_increasing
    assert not spine.duplicated().any()
    first = frame.groupby("customer_id")["time_us"].min()
    assert (spine["as_of_us"].to_numpy() >= first.loc[spine["customer_id"]].to_numpy()).all()
    again = sample_spine(frame[::-1], since_us=since, until_us=until, rows=rows, random_share=share, seed=seed)
    pd.testing.assert_frame_equal(spine, again)


def test_without_random_times_all_are_times_of_activity() -> None:
    frame = pd.DataFrame({"customer_id": ["a", "a", "b"], "time_us": [1, 5, 7]})
    spine = sample_spine(frame, since_us=2, until_us=9, rows=10, random_share=0.0, seed=1)
    assert list(spine.itertuples(index=False, name=None)) == [("a", 5), ("b", 7)]


def test_a_busy_customer_does_not_make_the_sample() -> None:
    frame = pd.DataFrame({"customer_id": ["busy"] * 500 + ["b"], "time_us": range(501)})
    spine = sample_spine(frame, since_us=0, until_us=1_000, rows=400, random_share=0.0, seed=1)
    assert spine["customer_id"].value_counts().to_dict() == {"busy": 25, "b": 1}
