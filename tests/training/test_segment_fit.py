"""Segments from features: quintiles, clusters, and names that their centroids explain."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from rapport.errors import ModelError
from rapport.models.segments import SegmentModel
from training.segments import ACTIVITY_WORDS, RFM_FEATURES, cluster_names, fit_segments

NAMES = (*RFM_FEATURES, *ACTIVITY_WORDS)


def _customers(count: int) -> np.ndarray:
    """A third are quiet, a third browse, a third chat and need help."""
    random = np.random.default_rng(4)
    matrix = random.poisson(0.3, (count, len(NAMES))).astype(float)
    matrix[:, :3] = random.lognormal(10, 1, (count, 3))
    matrix[: count // 4, 0], matrix[: count // 4, 1] = np.nan, 0
    kind = np.arange(count) % 3
    for word, value in (("Browsing", 1), ("Chatting", 2), ("Needing Help", 2)):
        column = 3 + list(ACTIVITY_WORDS.values()).index(word)
        matrix[kind == value, column] += random.poisson(30, (kind == value).sum())
    return matrix


def test_clusters_are_found_and_named() -> None:
    model, silhouette = fit_segments(NAMES, _customers(600), seed=1)
    assert silhouette > 0.3
    assert sum(model.activity.sizes) == 600
    assert len(set(model.activity.names)) == len(model.activity.names)
    assert any("Browsing" in name for name in model.activity.names)
    assert any("Chatting" in name or "Needing Help" in name for name in model.activity.names)
    assert msgspec.json.decode(msgspec.json.encode(model), type=SegmentModel) == model


def test_the_same_customers_give_the_same_segments() -> None:
    matrix = _customers(300)
    assert fit_segments(NAMES, matrix, seed=1) == fit_segments(NAMES, matrix, seed=1)


def test_customers_who_are_all_alike_are_one_cluster() -> None:
    matrix = np.ones((50, len(NAMES)))
    model, silhouette = fit_segments(NAMES, matrix, seed=1)
    assert (len(model.activity.names), silhouette) == (1, 0.0)


def test_names_say_what_a_cluster_has_much_of() -> None:
    features = ["click_activity__clicks_30d", "conversation__messages_30d", "shop__gift_cards"]
    centroids = np.array([[2.0, 0, 0], [3.0, 1, 0], [-0.5, -0.5, -0.5], [0.1, 0.1, 0.1], [0, 0, 2.0], [2.0, 0, 0]])
    assert cluster_names(features, centroids) == (
        "Browsing",
        "Browsing & Chatting",
        "Quiet",
        "Average",
        "Gift Cards",
        "Browsing 6",
    )


def test_too_few_customers_or_purchases_are_refused() -> None:
    with pytest.raises(ModelError, match="need 30 customers"):
        fit_segments(NAMES, _customers(29), seed=1)
    nobody = _customers(100)
    nobody[:, 0] = np.nan
    with pytest.raises(ModelError, match="no customer has purchases"):
        fit_segments(NAMES, nobody, seed=1)
