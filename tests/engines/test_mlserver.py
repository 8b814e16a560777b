"""The registered models in MLServer: it loads what `rapport export-models` writes, and answers as we do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rapport.errors import ModelError, ModelRefused, ServiceError
from rapport.inference import call, offer_of
from rapport.inference.mlserver import export_for_mlserver
from rapport.models import load_model, read_manifest
from rapport.testing.mlserver import MlServer
from rapport.testing.models import NoiseModels
from rapport.testing.peers import peer_python
from rapport.testing.project import Project
from tests.serving.serving_world import ROOT, declared
from training.onnx_export import to_onnx

pytestmark = [pytest.mark.engines, pytest.mark.slow, pytest.mark.timeout(600)]

NAMES = ("purchase_propensity", "escalation_risk")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NoiseModels]:
    """Champions, served from ONNX here."""
    project = Project(tmp_path_factory.mktemp("mlserver"), ROOT)
    project.apply(declared())
    models = NoiseModels(project, to_onnx)
    for seed, name in enumerate(NAMES):
        models.build(name, "3", seed=seed, trees=150)
        models.promote(name, "3")
    models.build_segments("1")
    models.promote("segments", "1")
    yield models
    project.redis.stop()


@pytest.fixture(scope="module")
def mlserver(models: NoiseModels, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlServer]:
    try:
        python = peer_python(ROOT, "mlserver")
    except ServiceError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("exported")
    root = {"RAPPORT_ROOT": str(models.folder.parents[1])}
    command = [sys.executable, "-m", "rapport.cli", "export-models", str(folder), "--json"]
    done = subprocess.run(command, env={**os.environ, **root}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == dict.fromkeys(NAMES, "3")
    with MlServer(python, folder) as server:
        yield server


@pytest.mark.parametrize("name", NAMES)
def test_both_give_the_same_probabilities(models: NoiseModels, mlserver: MlServer, name: str) -> None:
    folder = models.folder / name / "3"
    ours = offer_of(load_model(folder, read_manifest(folder).views))
    assert ours.platform == "onnx_onnxv1"
    random = np.random.default_rng(7)
    matrix = random.normal(size=(500, len(ours.columns))) * 2
    matrix[random.random(matrix.shape) < 0.2] = np.nan
    matrix[0] = np.nan
    body = _request(matrix.astype(np.float32))
    theirs = mlserver.http.post(f"/v2/models/{name}/infer", json=body)
    assert theirs.status_code == 200, theirs.text
    found = json.loads(call(ours, json.dumps(body).encode()).body)
    assert found["id"] == theirs.json()["id"] and found["model_version"] == theirs.json()["model_version"]
    (mine,), (other,) = found["outputs"], theirs.json()["outputs"]
    assert (mine["name"], mine["shape"]) == (other["name"], other["shape"])
    np.testing.assert_allclose(mine["data"], other["data"], rtol=0, atol=1e-6)
    assert np.ptp(mine["data"]) > 0.5
    described = mlserver.http.get(f"/v2/models/{name}").json()
    assert described["inputs"][0]["parameters"]["columns"] == list(ours.columns)
    assert described["platform"] == "xgboost_ubj"


def test_an_export_is_written_again_and_holds_no_pickle(models: NoiseModels, tmp_path: Path) -> None:
    for _ in range(2):
        export_for_mlserver(models.folder, tmp_path, NAMES)
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    expected = [f"{name}/{file}" for name in sorted(NAMES) for file in ("model-settings.json", "model.ubj")]
    assert files == [*expected, "settings.json"]


def test_what_cannot_be_exported_says_why(models: NoiseModels, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="segments is of kind segments"):
        export_for_mlserver(models.folder, tmp_path, ["segments"])
    with pytest.raises(ModelError, match="unheard_of has no champion to export"):
        export_for_mlserver(models.folder, tmp_path, ["unheard_of"])
    damaged = models.folder / NAMES[0] / "3" / "model.ubj"
    good = damaged.read_bytes()
    damaged.write_bytes(good + b"\0")
    try:
        with pytest.raises(ModelRefused, match=r"model\.ubj has SHA-256"):
            export_for_mlserver(models.folder, tmp_path, NAMES)
    finally:
        damaged.write_bytes(good)


def _request(matrix: np.ndarray) -> dict[str, Any]:
    data = [None if np.isnan(value) else value for value in matrix.ravel().tolist()]
    return {"id": "9", "inputs": [{"name": "rows", "shape": list(matrix.shape), "datatype": "FP32", "data": data}]}
