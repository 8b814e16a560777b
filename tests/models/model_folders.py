"""Model folders to load, damage and switch between; a module of helpers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rapport.models import FeatureSpec, Manifest, Pointer, sha256_of, write_manifest, write_pointer

FINGERPRINTS = {"clicks": "0a0b0c0d", "orders": "01020304"}
FEATURES = (
    FeatureSpec("clicks__count_1h", "int"),
    FeatureSpec("clicks__mean_1d", "float"),
    FeatureSpec("orders__any", "bool"),
    FeatureSpec("orders__sum_30d", "int"),
)


def rows(count: int, seed: int = 0) -> np.ndarray:
    """Float64 rows with a fifth of the values missing."""
    random = np.random.default_rng(seed)
    found = random.normal(size=(count, len(FEATURES))) * [3, 1, 1, 1000]
    found[:, 2] = found[:, 2] > 0
    found[random.random(found.shape) < 0.2] = np.nan
    return found


def make_folder(models: Path, version: str, *, seed: int = 0, depth: int = 3, onnx: bool = False) -> Path:
    """Train a small model and write its folder `<models>/propensity/<version>`."""
    import xgboost

    folder = models / "propensity" / version
    folder.mkdir(parents=True)
    matrix = rows(2_000, seed)
    label = np.nan_to_num(matrix[:, 0]) + np.nan_to_num(matrix[:, 1]) * np.nan_to_num(matrix[:, 3]) / 500 > 1
    kinds = {"int": "int", "float": "float", "bool": "i"}
    data = xgboost.DMatrix(
        matrix,
        label.astype(float),
        feature_names=[feature.name for feature in FEATURES],
        feature_types=[kinds[feature.kind] for feature in FEATURES],
    )
    params = {"objective": "binary:logistic", "max_depth": depth, "nthread": 1}
    booster = xgboost.train(params, data, 30)
    booster.save_model(folder / "model.ubj")
    files = ["model.ubj"]
    if onnx:
        from training.onnx_export import to_onnx

        (folder / "model.onnx").write_bytes(to_onnx(booster))
        files.append("model.onnx")
    write_manifest(folder, manifest_of(folder, version, files, onnx))
    return folder


def manifest_of(folder: Path, version: str, files: list[str], onnx: bool) -> Manifest:
    return Manifest(
        name="propensity",
        version=version,
        kind="xgboost",
        created_us=1,
        service="propensity",
        features=FEATURES,
        views=FINGERPRINTS,
        files={name: sha256_of(folder / name) for name in files},
        trained_until_us=1,
        label="an order",
        onnx_max_difference=1e-6 if onnx else None,
    )


def point(models: Path, version: str) -> None:
    """Make a version of `propensity` the champion."""
    folder = models / "propensity"
    write_pointer(folder, Pointer(version, sha256_of(folder / version / "manifest.json")))
