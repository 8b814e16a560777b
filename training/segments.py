"""Fit segments: RFM quintiles, and k-means of recent activity whose clusters get names from their centroids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rapport.errors import ModelError
from rapport.models.rfm import RfmThresholds
from rapport.models.segments import ActivityClusters, SegmentModel

__all__ = ["ACTIVITY_WORDS", "RFM_FEATURES", "SERVICE", "cluster_names", "fit_segments"]

SERVICE = "segments"
RFM_FEATURES = ("rfm__recency_s", "rfm__frequency", "rfm__monetary_micros")
ACTIVITY_WORDS: Mapping[str, str] = {
    "click_activity__clicks_30d": "Browsing",
    "click_activity__clicks_1d": "Here Today",
    "carts__cart_adds_1d": "Filling Carts",
    "purchases__orders_30d": "Ordering",
    "conversation__messages_30d": "Chatting",
    "tickets__tickets_opened_30d": "Needing Help",
}
"""The counts that are clustered, each with what it says of a cluster that has much of it."""
_CLUSTERS = range(2, 7)
_SILHOUETTE_ROWS = 2_000
_HIGH = 0.5
_LEAST_CUSTOMERS = 30


def fit_segments(names: Sequence[str], matrix: NDArray[np.float64], seed: int) -> tuple[SegmentModel, float]:
    """Fit both on one row per customer.

    Args:
        names: full feature names of the columns; RFM_FEATURES must be there, and at least one of ACTIVITY_WORDS.
        matrix: float64[n, F]; NaN is missing.

    Returns:
        The segments, and the clustering's silhouette (0 when there is only one cluster).

    Raises:
        ModelError: too few customers, or none with purchases.
    """
    if len(matrix) < _LEAST_CUSTOMERS:
        raise ModelError(f"segments need {_LEAST_CUSTOMERS} customers, the archive has {len(matrix)}")
    rfm = matrix[:, [list(names).index(name) for name in RFM_FEATURES]]
    bought = rfm[(rfm[:, 1] > 0) & ~np.isnan(rfm).any(axis=1)]
    if not len(bought):
        raise ModelError("no customer has purchases: there is nothing to make RFM quantiles of")
    columns = [list(names).index(name) for name in ACTIVITY_WORDS if name in names]
    clusters, silhouette = _cluster([names[i] for i in columns], matrix[:, columns], seed)
    return SegmentModel(RfmThresholds.fit(*bought.T.tolist()), clusters), silhouette


def cluster_names(features: Sequence[str], centroids: NDArray[np.float64]) -> tuple[str, ...]:
    """A name per centroid [k, F] (scaled: 0 is the mean customer), from what it has much of; each name once."""
    names: list[str] = []
    for centroid in centroids:
        order = np.argsort(-centroid, kind="stable")
        words = [_word(features[i]) for i in order if centroid[i] > _HIGH]
        words = words or ["Quiet" if centroid.mean() < 0 else "Average"]
        # one more word for each name that is taken, then a number
        choices = [" & ".join(words[:size]) for size in range(1, len(words) + 1)]
        name = next((choice for choice in choices if choice not in names), None)
        names.append(name or f"{choices[0]} {len(names) + 1}")
    return tuple(names)


def _word(feature: str) -> str:
    return ACTIVITY_WORDS.get(feature, feature.partition("__")[2].replace("_", " ").title())


def _cluster(features: Sequence[str], counts: NDArray[np.float64], seed: int) -> tuple[ActivityClusters, float]:
    logs = np.log1p(np.maximum(np.nan_to_num(counts), 0.0))
    mean, spread = logs.mean(axis=0), logs.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    scaled = (logs - mean) / scale
    centroids, assigned, silhouette = _best_kmeans(scaled, seed)
    order = np.argsort(-np.bincount(assigned), kind="stable")
    clusters = ActivityClusters(
        features=tuple(features),
        mean=tuple(mean.tolist()),
        scale=tuple(scale.tolist()),
        centroids=tuple(tuple(row) for row in centroids[order].tolist()),
        names=cluster_names(features, centroids[order]),
        sizes=tuple(np.bincount(assigned)[order].tolist()),
    )
    return clusters, silhouette


def _best_kmeans(scaled: NDArray[np.float64], seed: int) -> tuple[NDArray[np.float64], NDArray[np.intp], float]:
    """The number of clusters with the best silhouette: centroids [k, F], cluster of each row, silhouette."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    distinct = len(np.unique(scaled, axis=0))
    best = (scaled.mean(axis=0, keepdims=True), np.zeros(len(scaled), dtype=np.intp), 0.0)
    for count in _CLUSTERS:
        if count >= distinct:
            break
        # threads that wait for one another cost more than they bring where processors are shared
        with threadpool_limits(1):
            model = KMeans(count, n_init=4, random_state=seed).fit(scaled)
            size = min(len(scaled), _SILHOUETTE_ROWS)
            score = float(silhouette_score(scaled, model.labels_, sample_size=size, random_state=seed))
        if score > best[2]:
            best = (model.cluster_centers_, model.labels_.astype(np.intp), score)
    return best
