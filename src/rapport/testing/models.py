"""Champions to serve, small and real: trained on noise, in model folders as promotion leaves them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from rapport.models import FeatureSpec, Manifest, Pointer, RfmThresholds, sha256_of, write_manifest, write_pointer
from rapport.models.declared import fingerprints_of
from rapport.models.segments import ActivityClusters, SegmentModel
from rapport.testing.project import Project
from rapport.windows import Kind

__all__ = ["NoiseModels"]

_KINDS: dict[Kind, Literal["int", "float", "bool"]] = {Kind.INT: "int", Kind.FLOAT: "float", Kind.BOOL: "bool"}
_XGBOOST_TYPES = {"int": "int", "float": "float", "bool": "i"}
_ACTIVITY = ("click_activity__clicks_1h", "click_activity__clicks_30d")


class NoiseModels:
    """Model folders under a project's data folder. A model's name is its feature service's.

    Args:
        project: its declarations applied.
        to_onnx: makes an ONNX file of a booster, for models that are served with ONNX Runtime; None: XGBoost serves.
    """

    def __init__(self, project: Project, to_onnx: Callable[[Any], bytes] | None = None) -> None:
        self.folder = project.settings.data_dir / "models"
        self._store = project.store()
        self._to_onnx = to_onnx

    def build(self, name: str, version: str, *, seed: int = 0, trees: int = 20) -> None:
        """Train a model and write its folder."""
        import xgboost

        specs, views = self._inputs(name)
        random = np.random.default_rng(seed)
        matrix = random.normal(size=(400, len(specs)))
        label = (matrix[:, 0] + matrix[:, 1] + random.normal(size=400) > 0).astype(float)
        types = [_XGBOOST_TYPES[spec.kind] for spec in specs]
        data = xgboost.DMatrix(matrix, label, feature_names=[spec.name for spec in specs], feature_types=types)
        params = {"objective": "binary:logistic", "max_depth": 3, "nthread": 1}
        booster = xgboost.train(params, data, trees)
        folder = self._new_folder(name, version)
        booster.save_model(folder / "model.ubj")
        if self._to_onnx is not None:
            (folder / "model.onnx").write_bytes(self._to_onnx(booster))
        self._manifest(folder, "xgboost", specs, views)

    def build_segments(self, version: str) -> None:
        """Segments whose thresholds are hours of recency, orders in tenths, and whole units of money."""
        specs, views = self._inputs("personalization")
        hundred = range(100)
        model = SegmentModel(
            RfmThresholds.fit([3_600.0 * n for n in hundred], [n / 10 for n in hundred], [1e6 * n for n in hundred]),
            ActivityClusters(_ACTIVITY, (0.0, 0.0), (1.0, 1.0), ((0.0, 0.0), (3.0, 4.0)), ("quiet", "busy"), (50, 50)),
        )
        folder = self._new_folder("segments", version)
        (folder / "segments.json").write_bytes(msgspec.json.encode(model))
        self._manifest(folder, "segments", specs, views)

    def promote(self, name: str, version: str) -> None:
        """Make a version the champion."""
        digest = sha256_of(self.folder / name / version / "manifest.json")
        write_pointer(self.folder / name, Pointer(version, digest))

    def retire(self, name: str) -> None:
        """Leave a model without a champion."""
        (self.folder / name / "champion.json").unlink(missing_ok=True)

    def _inputs(self, service: str) -> tuple[list[FeatureSpec], dict[str, str]]:
        """The numeric features of a service's windowed views, and those views' fingerprints."""
        from rapport.feast.catalog import service_projections, views_of_service
        from rapport.online import WindowedView

        projections = service_projections(self._store, service)
        prints = fingerprints_of(view for view, _ in projections)
        windowed = [view for view in views_of_service(projections) if isinstance(view, WindowedView)]
        specs = [
            FeatureSpec(f"{view.name}__{feature}", _KINDS[kind])
            for view in windowed
            for feature, kind in zip(view.features, view.kinds, strict=True)
            if kind is not Kind.STRING
        ]
        return specs, {view.name: prints[view.name] for view in windowed}

    def _new_folder(self, name: str, version: str) -> Path:
        folder = self.folder / name / version
        folder.mkdir(parents=True)
        return folder

    def _manifest(
        self, folder: Path, kind: Literal["xgboost", "segments"], specs: Sequence[FeatureSpec], views: dict[str, str]
    ) -> None:
        manifest = Manifest(
            name=folder.parent.name,
            version=folder.name,
            kind=kind,
            created_us=1,
            service=folder.parent.name,
            features=tuple(specs),
            views=views,
            files={path.name: sha256_of(path) for path in folder.iterdir()},
            trained_until_us=1,
            label="noise",
            onnx_max_difference=1e-6 if (folder / "model.onnx").exists() else None,
        )
        write_manifest(folder, manifest)
