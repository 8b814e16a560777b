"""RFM scores and names, and clusters of activity."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport.errors import ModelError, ModelRefused
from rapport.models import FeatureSpec, Manifest, load_segments, sha256_of, write_manifest
from rapport.models.rfm import RFM_NAMES, UNKNOWN, RfmThresholds, rfm_name
from rapport.models.segments import ActivityClusters, SegmentModel

THRESHOLDS = RfmThresholds((10, 20, 30, 40), (1, 1, 2, 5), (100, 200, 300, 400))
VALUE = st.floats(0, 1e6)


def test_the_names_are_the_usual_ones() -> None:
    assert set(RFM_NAMES) == {
        "Champions", "Loyal Customers", "Potential Loyalists", "New Customers", "Promising", "Need Attention",
        "About To Sleep", "At Risk", "Can't Lose Them", "Hibernating", "Lost",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("recency", "frequency", "monetary", "expected"),
    [
        (5, 9, 999, (5, 5, 5, "Champions")),
        (10, 1, 50, (5, 1, 1, "New Customers")),
        (15, 1, 50, (4, 1, 1, "Promising")),
        (99, 9, 999, (1, 5, 5, "Can't Lose Them")),
        (99, 1, 50, (1, 1, 1, "Lost")),
        (25, 2, 250, (3, 3, 3, "Need Attention")),
        (math.nan, 0, math.nan, (0, 0, 0, UNKNOWN)),
        (None, None, None, (0, 0, 0, UNKNOWN)),
        (5, 0, 0, (0, 0, 0, UNKNOWN)),
    ],
)
def test_scores(recency: float, frequency: float, monetary: float, expected: tuple[int, int, int, str]) -> None:
    assert THRESHOLDS.scores(recency, frequency, monetary) == expected


@given(a=VALUE, b=VALUE, frequency=st.integers(1, 9), monetary=VALUE)
def test_who_bought_later_never_scores_lower(a: float, b: float, frequency: int, monetary: float) -> None:
    early, late = sorted((a, b))
    assert THRESHOLDS.scores(early, frequency, monetary).r >= THRESHOLDS.scores(late, frequency, monetary).r


@given(values=st.lists(st.tuples(VALUE, st.integers(1, 50), VALUE), min_size=1, max_size=60))
def test_fitted_scores_are_in_range_and_named(values: list[tuple[float, int, float]]) -> None:
    thresholds = RfmThresholds.fit(*zip(*values, strict=True))
    for value in values:
        r, f, m, name = thresholds.scores(*value)
        assert 1 <= min(r, f, m) <= max(r, f, m) <= 5
        assert name == rfm_name(r, f, m)


def test_quintiles_share_out_distinct_customers() -> None:
    spread = np.arange(1.0, 1001.0)
    thresholds = RfmThresholds.fit(spread, spread, spread)
    scores = [thresholds.scores(value, value, value) for value in spread]
    for column in range(3):
        assert np.bincount([score[column] for score in scores])[1:].tolist() == [200] * 5


def test_no_purchases_at_all_cannot_be_fitted() -> None:
    with pytest.raises(ValueError, match="at least one"):
        RfmThresholds.fit([], [], [])


def _folder(folder: Path, clusters: ActivityClusters) -> Path:
    folder.mkdir()
    (folder / "segments.json").write_bytes(msgspec.json.encode(SegmentModel(THRESHOLDS, clusters)))
    manifest = Manifest(
        name="segments",
        version="1",
        kind="segments",
        created_us=1,
        service="segments",
        features=(FeatureSpec("clicks__n", "int"), FeatureSpec("orders__n", "int")),
        views={"clicks": "aa", "orders": "bb"},
        files={"segments.json": sha256_of(folder / "segments.json")},
        trained_until_us=1,
        label="segments",
    )
    write_manifest(folder, manifest)
    return folder


CLUSTERS = ActivityClusters(
    features=("clicks__n", "orders__n"),
    mean=(1.0, 1.0),
    scale=(1.0, 1.0),
    centroids=((-1.0, -1.0), (2.0, 0.0)),
    names=("Quiet", "Browsing"),
    sizes=(5, 3),
)


def test_the_nearest_centroid_names_a_customer(tmp_path: Path) -> None:
    segments = load_segments(_folder(tmp_path / "1", CLUSTERS), {"clicks": "aa", "orders": "bb"})
    assert segments.activity_features == ("clicks__n", "orders__n")
    assert segments.activity([30.0, 2.0]) == "Browsing"
    assert segments.activity([float("nan"), None]) == "Quiet"
    assert segments.rfm(5, 9, 999).name == "Champions"
    with pytest.raises(ModelError, match="take 2 activity features"):
        segments.activity([1.0])


def test_segments_with_changed_views_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match="'orders' has changed"):
        load_segments(_folder(tmp_path / "1", CLUSTERS), {"clicks": "aa", "orders": "cc"})


def test_segments_out_of_shape_are_refused(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "1", CLUSTERS)
    text = (folder / "segments.json").read_bytes().replace(b'"mean":[1.0,1.0]', b'"mean":[1.0]')
    (folder / "segments.json").write_bytes(text)
    from rapport.models import read_manifest

    manifest = read_manifest(folder)
    files = {"segments.json": sha256_of(folder / "segments.json")}
    write_manifest(folder, msgspec.structs.replace(manifest, files=files))
    with pytest.raises(ModelRefused, match="must have 2 numbers"):
        load_segments(folder, {"clicks": "aa", "orders": "bb"})
