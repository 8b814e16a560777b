"""Labels look strictly after the decision, and no further than the horizon."""

from __future__ import annotations

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from training.labels import complaints, followed, orders

CUSTOMER = st.sampled_from(["a", "b", "c"])
MOMENTS = st.lists(st.tuples(CUSTOMER, st.integers(0, 40)), max_size=25)


@given(
    spine=st.lists(st.tuples(CUSTOMER, st.integers(0, 40)), min_size=1, max_size=25),
    moments=MOMENTS,
    horizon=st.integers(1, 20),
)
def test_labels_equal_the_definition(
    spine: list[tuple[str, int]], moments: list[tuple[str, int]], horizon: int
) -> None:
    found = followed(
        pd.DataFrame(spine, columns=["customer_id", "as_of_us"]),
        pd.DataFrame(moments, columns=["customer_id", "time_us"]),
        horizon,
    )
    expected = [any(c == who and as_of < t <= as_of + horizon for c, t in moments) for who, as_of in spine]
    assert found.tolist() == expected


def test_an_order_is_its_first_line_and_cancellations_are_none() -> None:
    lines = pd.DataFrame(
        {
            "customer_id": ["a", "a", "a", "b"],
            "time_us": [5, 3, 9, 4],
            "order_id": ["1", "1", "2", None],
        }
    )
    assert sorted(orders(lines).itertuples(index=False, name=None)) == [("a", 3), ("a", 9)]


def test_complaints_are_tickets_low_ratings_and_frustrated_messages() -> None:
    tickets = pd.DataFrame(
        {
            "customer_id": ["a", "b", "c"],
            "time_us": [1, 2, 3],
            "opened": pd.Series([True, None, None], dtype=object),
            "reopened": pd.Series([None, True, None], dtype=object),
        }
    )
    feedback = pd.DataFrame(
        {"customer_id": ["d", "e", "f"], "time_us": [4, 5, 6], "low_csat": pd.Series([True, False, None], dtype=object)}
    )
    messages = pd.DataFrame({"customer_id": ["g", "h", "i"], "time_us": [7, 8, 9], "frustration": [0.6, 0.59, None]})
    found = complaints(tickets, feedback, messages)
    assert sorted(found.itertuples(index=False, name=None)) == [("a", 1), ("b", 2), ("d", 4), ("g", 7)]
