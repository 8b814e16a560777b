"""The data set of one model: decision times, features as they were then, and what happened after."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rapport.archive import Archive
from rapport.errors import ModelError
from rapport.models import FeatureSpec
from training.guards import check_balance, check_leakage
from training.labels import followed
from training.specs import ModelSpec
from training.spine import sample_spine

__all__ = ["Dataset", "assemble", "sample"]

FeatureReader = Callable[[pd.DataFrame], NDArray[np.float64]]
_WARM_UP = 0.2
"""The first fifth of the history only fills the windows: decisions are sampled from there on."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Rows in order of time. It knows no customer by name: `group` is a number that stands for one."""

    features: tuple[FeatureSpec, ...]
    matrix: NDArray[np.float64]
    """float64[n, F]; NaN is missing."""
    label: NDArray[np.float64]
    """float64[n] of 0 and 1."""
    as_of_us: NDArray[np.int64]
    group: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.label)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp] | slice) -> Dataset:
        """The rows of a mask, of indices or of a slice."""
        return Dataset(self.features, self.matrix[rows], self.label[rows], self.as_of_us[rows], self.group[rows])


def sample(
    archive: Archive, spec: ModelSpec, *, as_of_us: int, horizon_us: int, rows: int, seed: int
) -> tuple[pd.DataFrame, NDArray[np.bool_]]:
    """Decision times whose label is complete at as_of_us, and the labels.

    Returns:
        The spine (customer_id, as_of_us) and bool[n].

    Raises:
        ModelError: the archive's history is shorter than two horizons.
    """
    moments = spec.moments(archive, as_of_us)
    if moments.empty:
        topics = ", ".join(topic for topic, _ in spec.activity)
        raise ModelError(f"{spec.name}: the archive has no activity in {topics} up to the time of training")
    first, until = int(moments["time_us"].min()), as_of_us - horizon_us
    if until - first < horizon_us:
        raise ModelError(
            f"{spec.name}: the history is {(as_of_us - first) / 86_400e6:.1f} days long, the label looks "
            f"{horizon_us / 86_400e6:.1f} days ahead: at least twice that is needed; choose a shorter horizon or wait"
        )
    since = first + round((until - first) * _WARM_UP)
    spine = sample_spine(moments, since_us=since, until_us=until, rows=rows, random_share=spec.random_share, seed=seed)
    return spine, followed(spine, spec.events(archive, as_of_us), horizon_us)


def assemble(
    features: tuple[FeatureSpec, ...], spine: pd.DataFrame, label: NDArray[np.bool_], read: FeatureReader
) -> Dataset:
    """Put features beside the labels, and refuse a set that cannot be learned from or that sees the future.

    Args:
        read: gives the features float64[n, F] of a spine.

    Raises:
        ModelError: too few of a class, or a feature that alone tells the label.
    """
    check_balance(label)
    matrix = read(spine)
    data = Dataset(
        features=features,
        matrix=matrix,
        label=label.astype(np.float64),
        as_of_us=spine["as_of_us"].to_numpy(dtype=np.int64),
        group=pd.factorize(spine["customer_id"])[0].astype(np.int64),
    )
    check_leakage(data.names, data.matrix, data.label)
    return data
