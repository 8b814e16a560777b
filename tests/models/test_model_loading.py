"""A model folder is loaded whole or refused with everything that is wrong with it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from model_folders import FEATURES, FINGERPRINTS, rows

from rapport.errors import ModelError, ModelRefused
from rapport.models import FeatureSpec, load_model, read_manifest, sha256_of, write_manifest


def test_both_runtimes_give_the_same_probabilities(models: Path) -> None:
    folder = models / "propensity" / "2"
    fast = load_model(folder, FINGERPRINTS)
    write_manifest(folder, msgspec.structs.replace(read_manifest(folder), onnx_max_difference=None))
    slow = load_model(folder, FINGERPRINTS)
    assert (fast.runtime, slow.runtime) == ("onnx", "xgboost")
    matrix = rows(3_000, seed=9)
    np.testing.assert_allclose(fast.predict(matrix), slow.predict(matrix), atol=2e-6, rtol=0)


@pytest.mark.parametrize("version", ["1", "2"])
def test_contributions_add_up_to_the_prediction(models: Path, version: str) -> None:
    model = load_model(models / "propensity" / version, FINGERPRINTS)
    for row in rows(50, seed=3):
        given = model.contributions(row)
        assert [name for name, _ in given] == [feature.name for feature in FEATURES]
        probability = model.predict(row.reshape(1, -1))[0]
        total = model.bias + sum(value for _, value in given)
        assert 1 / (1 + np.exp(-total)) == pytest.approx(probability, abs=2e-6)


def test_a_matrix_of_another_width_is_an_error(models: Path) -> None:
    model = load_model(models / "propensity" / "1", FINGERPRINTS)
    with pytest.raises(ModelError, match="rows of 4 features"):
        model.predict(np.zeros((1, 3)))


def test_a_changed_file_is_refused(models: Path) -> None:
    folder = models / "propensity" / "1"
    data = bytearray((folder / "model.ubj").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "model.ubj").write_bytes(data)
    with pytest.raises(ModelRefused, match=r"model\.ubj has SHA-256"):
        load_model(folder, FINGERPRINTS)


def test_missing_files_are_refused(models: Path) -> None:
    folder = models / "propensity" / "2"
    (folder / "model.ubj").unlink()
    (folder / "model.onnx").unlink()
    with pytest.raises(
        ModelRefused,
        match=r"model\.onnx is missing.*model\.ubj is missing|model\.ubj is missing.*model\.onnx is missing",
    ):
        load_model(folder, FINGERPRINTS)


@pytest.mark.parametrize("data", [b"", b"{", b'{"name": 1}', b'{"format": 2}', b"\xff\xfe"])
def test_a_damaged_manifest_is_refused(models: Path, data: bytes) -> None:
    folder = models / "propensity" / "1"
    (folder / "manifest.json").write_bytes(data)
    with pytest.raises(ModelRefused, match="is not a manifest"):
        load_model(folder, FINGERPRINTS)


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelRefused, match=r"has no manifest\.json"):
        load_model(tmp_path, FINGERPRINTS)


def test_a_file_outside_the_folder_is_refused(models: Path) -> None:
    folder = models / "propensity" / "1"
    manifest = read_manifest(folder)
    files = {**manifest.files, "../2/model.ubj": sha256_of(models / "propensity" / "2" / "model.ubj")}
    write_manifest(folder, msgspec.structs.replace(manifest, files=files))
    with pytest.raises(ModelRefused, match="not a plain file name"):
        load_model(folder, FINGERPRINTS)


def test_changed_and_unknown_views_are_refused_by_name(models: Path) -> None:
    with pytest.raises(ModelRefused) as refused:
        load_model(models / "propensity" / "1", {"clicks": "ffffffff", "tickets": "00000000"})
    assert "'clicks' has changed since training (fingerprint 0a0b0c0d, now ffffffff)" in str(refused.value)
    assert "'orders' is not declared; declared are clicks, tickets" in str(refused.value)


def _with_features(folder: Path, features: tuple[FeatureSpec, ...]) -> None:
    write_manifest(folder, msgspec.structs.replace(read_manifest(folder), features=features))


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (FEATURES[:-1], "'orders__sum_30d' is in the model file but not in the manifest"),
        ((*FEATURES, FeatureSpec("clicks__new", "int")), "'clicks__new' is in the manifest but not in the model file"),
        ((FEATURES[1], FEATURES[0], *FEATURES[2:]), "the order differs at column 0"),
        ((FeatureSpec(FEATURES[0].name, "float"), *FEATURES[1:]), "is int in the model file, float in the manifest"),
        ((*FEATURES, FeatureSpec("other__new", "int")), "view 'other' are used"),
    ],
)
def test_other_features_are_refused(models: Path, features: tuple[FeatureSpec, ...], message: str) -> None:
    folder = models / "propensity" / "1"
    _with_features(folder, features)
    with pytest.raises(ModelRefused, match=message):
        load_model(folder, FINGERPRINTS)


@pytest.mark.parametrize("name", ["model.ubj", "model.onnx"])
def test_a_file_that_is_no_model_is_refused_even_with_its_right_hash(models: Path, name: str) -> None:
    folder = models / "propensity" / "2"
    (folder / name).write_bytes(b"not a model")
    manifest = read_manifest(folder)
    files = {**manifest.files, name: sha256_of(folder / name)}
    write_manifest(folder, msgspec.structs.replace(manifest, files=files))
    with pytest.raises(ModelRefused, match="is not a model that"):
        load_model(folder, FINGERPRINTS)
