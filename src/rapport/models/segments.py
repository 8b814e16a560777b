"""Segments of customers: RFM by quantiles, and clusters of recent activity by centroids; all in one JSON file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log1p
from pathlib import Path

import msgspec

from rapport.errors import ModelError, ModelRefused
from rapport.models.manifest import Manifest, read_manifest
from rapport.models.rfm import RfmScores, RfmThresholds
from rapport.models.verify import check_files, check_views

__all__ = ["ActivityClusters", "SegmentModel", "Segments", "load_segments"]

SEGMENTS = "segments.json"


class ActivityClusters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """K-means of recent activity: x becomes (log(1 + max(x, 0)) - mean) / scale, and the nearest centroid names it."""

    features: tuple[str, ...]
    """Full names of the counts, in order; a missing count is 0."""
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    centroids: tuple[tuple[float, ...], ...]
    """One per cluster, in the scaled space."""
    names: tuple[str, ...]
    """One per cluster."""
    sizes: tuple[int, ...]
    """Customers of each cluster when it was fitted."""

    def __post_init__(self) -> None:
        width = len(self.features)
        if any(len(row) != width for row in (self.mean, self.scale, *self.centroids)):
            raise ValueError(f"mean, scale and each centroid must have {width} numbers, one per feature")
        if not self.centroids or len(self.names) != len(self.centroids) or len(self.sizes) != len(self.centroids):
            raise ValueError("there must be at least one centroid, and a name and a size for each")
        if not all(scale > 0 for scale in self.scale):
            raise ValueError("each scale must be positive")


class SegmentModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of segments.json."""

    rfm: RfmThresholds
    activity: ActivityClusters


# Made at import: two threads that decode a type for the first time at once crash msgspec.
_decoder = msgspec.json.Decoder(SegmentModel)


class Segments:
    """Loaded segments, ready to name customers."""

    def __init__(self, manifest: Manifest, model: SegmentModel) -> None:
        self.manifest = manifest
        self.model = model

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def version(self) -> str:
        return self.manifest.version

    @property
    def activity_features(self) -> tuple[str, ...]:
        """Full names of the vector that `activity` takes, in order."""
        return self.model.activity.features

    def rfm(self, recency_s: float | None, frequency: float | None, monetary_micros: float | None) -> RfmScores:
        """Scores and segment name of one customer; NaN or None is missing."""
        return self.model.rfm.scores(recency_s, frequency, monetary_micros)

    def activity(self, counts: Sequence[float | None]) -> str:
        """The cluster's name of one customer's F counts, in the order of `activity_features`; None or NaN is none.

        In plain Python: for one row of a few numbers each step of NumPy costs more than all of this.

        Raises:
            ModelError: there are more counts, or fewer.
        """
        fitted = self.model.activity
        if len(counts) != len(fitted.mean):
            raise ModelError(f"segments {self.version} take {len(fitted.mean)} activity features, got {len(counts)}")
        placed = [
            ((log1p(count) if count is not None and count > 0 else 0.0) - mean) / scale
            for count, mean, scale in zip(counts, fitted.mean, fitted.scale, strict=True)
        ]
        distances = [
            sum([(value - centre) ** 2 for value, centre in zip(placed, centroid, strict=True)])
            for centroid in fitted.centroids
        ]
        return fitted.names[distances.index(min(distances))]


def load_segments(folder: Path, fingerprints: Mapping[str, str]) -> Segments:
    """Load a folder of kind `segments` after checking it whole.

    Raises:
        ModelRefused: a file or a view is not what the manifest says, or segments.json is not in its format.
    """
    manifest = read_manifest(folder)
    if manifest.kind != "segments":
        raise ModelRefused(f"{folder} holds a model of kind {manifest.kind!r}, not 'segments'")
    check_files(folder, manifest, [SEGMENTS])
    check_views(folder, manifest, fingerprints)
    try:
        model = _decoder.decode((folder / SEGMENTS).read_bytes())
    except msgspec.DecodeError as error:
        raise ModelRefused(
            f"{folder / SEGMENTS} is not in its format: {error}; train again with `rapport train`"
        ) from None
    unknown = [name for name in model.activity.features if name not in manifest.feature_names]
    if unknown:
        raise ModelRefused(f"{folder / SEGMENTS} uses features that its manifest does not name: {', '.join(unknown)}")
    return Segments(manifest, model)
