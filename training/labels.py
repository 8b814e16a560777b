"""What happened after a decision: labels look strictly after as_of, at most `horizon_us` far."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["FRUSTRATED", "complaints", "followed", "orders"]

FRUSTRATED = 0.6
"""A customer's message with at least this frustration counts as an escalation."""


def followed(spine: pd.DataFrame, moments: pd.DataFrame, horizon_us: int) -> NDArray[np.bool_]:
    """Whether a moment of the row's customer lies in (as_of, as_of + horizon].

    Args:
        spine: columns customer_id and as_of_us.
        moments: columns customer_id and time_us, in any order.

    Returns:
        bool[n], in the order of the spine.
    """
    left = spine[["customer_id", "as_of_us"]].reset_index(drop=True).rename_axis("row").reset_index()
    right = moments[["customer_id", "time_us"]].sort_values("time_us")
    if right.empty:
        return np.zeros(len(spine), dtype=np.bool_)
    joined = pd.merge_asof(
        left.sort_values("as_of_us"),
        right.assign(customer_id=right["customer_id"].astype(left["customer_id"].dtype)),
        left_on="as_of_us",
        right_on="time_us",
        by="customer_id",
        direction="forward",
        allow_exact_matches=False,
    ).sort_values("row")
    wait = joined["time_us"].to_numpy(dtype=np.float64, na_value=np.nan) - joined["as_of_us"].to_numpy()
    within: NDArray[np.bool_] = wait <= horizon_us
    return within


def orders(purchases: pd.DataFrame) -> pd.DataFrame:
    """The moments of orders: the first line of each. An order whose lines come one by one is not followed by itself.

    Args:
        purchases: columns customer_id, time_us, order_id (null for a cancellation).
    """
    lines = purchases.dropna(subset=["order_id"])
    first = lines.groupby(["customer_id", "order_id"])["time_us"].min()
    return first.reset_index()[["customer_id", "time_us"]]


def complaints(tickets: pd.DataFrame, feedback: pd.DataFrame, messages: pd.DataFrame) -> pd.DataFrame:
    """The moments of escalation: a ticket opened or reopened, a CSAT of 1 or 2, or a frustrated message.

    Args:
        tickets: columns customer_id, time_us, opened, reopened.
        feedback: columns customer_id, time_us, low_csat.
        messages: columns customer_id, time_us, frustration.
    """
    parts = [
        tickets[tickets["opened"].eq(True) | tickets["reopened"].eq(True)],
        feedback[feedback["low_csat"].eq(True)],
        messages[messages["frustration"] >= FRUSTRATED],
    ]
    return pd.concat([part[["customer_id", "time_us"]] for part in parts], ignore_index=True)
