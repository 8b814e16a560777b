"""The reference and the decision log as two frames of the same columns: the manifest's features, in its order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from monitoring.bins import MISSING, Floats, number_bins
from rapport.errors import ModelRefused

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SCORE", "Aligned", "align"]

SCORE = "score"
"""The column of the model's output, in the reference and in what is compared with it."""


@dataclass(frozen=True, slots=True)
class Aligned:
    """Two frames of bins, and the numbers behind them.

    Attributes:
        columns: the features in the manifest's order, then SCORE when the model has one.
        reference, current: one text column for each of them: the bin of each value.
        raw: column to (reference, current) as numbers, NaN where there is no value.
    """

    columns: tuple[str, ...]
    reference: pd.DataFrame
    current: pd.DataFrame
    raw: Mapping[str, tuple[Floats, Floats]]

    @property
    def features(self) -> tuple[str, ...]:
        return tuple(name for name in self.columns if name != SCORE)

    def missing(self, name: str) -> tuple[float, float]:
        """Share of rows without a value, in the reference and now."""
        return float((self.reference[name] == MISSING).mean()), float((self.current[name] == MISSING).mean())


def align(reference: pd.DataFrame, current: pd.DataFrame, features: Sequence[str]) -> Aligned:
    """Cut both frames into the reference's bins.

    Args:
        reference, current: frames with a column per feature, and SCORE where the model has one. Other columns are
            not looked at. A feature that a frame lacks is all null there, as when every decision lacked it.
        features: full names, in the manifest's order.

    Raises:
        ModelRefused: the reference lacks a feature: it is not this model's.
    """
    import pandas as pd

    absent = [name for name in features if name not in reference.columns]
    if absent:
        raise ModelRefused(
            f"the training reference lacks {', '.join(absent[:5])} of {len(absent)} features: it is not this model's; "
            "train and promote it again"
        )
    columns = (*features, *([SCORE] if SCORE in reference.columns else []))
    raw = {name: (_numbers(reference, name), _numbers(current, name)) for name in columns}
    bins = {name: number_bins(before) for name, (before, _) in raw.items()}
    return Aligned(
        columns,
        pd.DataFrame({name: bins[name].label(raw[name][0]) for name in columns}),
        pd.DataFrame({name: bins[name].label(raw[name][1]) for name in columns}),
        raw,
    )


def _numbers(frame: pd.DataFrame, name: str) -> Floats:
    import pandas as pd

    if name not in frame.columns:
        return np.full(len(frame), np.nan)
    return pd.to_numeric(frame[name], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
