"""Decision times: for whom and when a model would have been asked."""

from __future__ import annotations

import numpy as np
import pandas as pd

__all__ = ["sample_spine"]

_PER_CUSTOMER = 25


def sample_spine(
    moments: pd.DataFrame, *, since_us: int, until_us: int, rows: int, random_share: float, seed: int
) -> pd.DataFrame:
    """Sample decision times within since_us <= as_of_us <= until_us.

    A part are times of activity, when a decision would have been asked for; the rest are random times since a
    customer's first activity, so that quiet customers are learned too. No customer has more than 25 times of activity,
    so that a few busy ones do not make the model.

    Args:
        moments: activity, columns customer_id and time_us.
        rows: at most so many rows.
        random_share: the share of random times, 0 to 1.

    Returns:
        Columns customer_id and as_of_us, without repetitions, ordered by time and customer.
    """
    random = np.random.default_rng(seed)
    known = moments.drop_duplicates().sort_values(["customer_id", "time_us"], ignore_index=True)
    known = known[known["time_us"] <= until_us]
    wanted = round(rows * random_share)
    active = _active(known[known["time_us"] >= since_us], rows - wanted, random)
    idle = _random_times(known.groupby("customer_id")["time_us"].min(), since_us, until_us, wanted, random)
    spine = pd.concat([active, idle], ignore_index=True).drop_duplicates()
    return spine.sort_values(["as_of_us", "customer_id"], ignore_index=True)


def _active(moments: pd.DataFrame, rows: int, random: np.random.Generator) -> pd.DataFrame:
    shuffled = moments.iloc[random.permutation(len(moments))]
    capped = shuffled.groupby("customer_id").head(_PER_CUSTOMER).head(rows)
    return capped.rename(columns={"time_us": "as_of_us"})


def _random_times(
    first: pd.Series, since_us: int, until_us: int, rows: int, random: np.random.Generator
) -> pd.DataFrame:
    if first.empty or not rows:
        return pd.DataFrame({"customer_id": pd.Series(dtype=object), "as_of_us": pd.Series(dtype=np.int64)})
    chosen = random.integers(0, len(first), rows)
    start = np.maximum(first.to_numpy()[chosen], since_us)
    return pd.DataFrame(
        {"customer_id": first.index.to_numpy()[chosen], "as_of_us": random.integers(start, until_us + 1)}
    )
