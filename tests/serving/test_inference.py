"""The models by the Open Inference Protocol v2, over HTTP: what decisions use, bit for bit."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from serving_world import ROOT

from bentos.inference import INFER_LIMIT_BYTES
from rapport.errors import ServiceError
from rapport.models import load_model, read_manifest
from rapport.testing.models import NoiseModels
from rapport.testing.peers import ask_peer, peer_python
from rapport.testing.served import Served, wait_for

NAMES = ("purchase_propensity", "escalation_risk", "segments")
CLIENT = Path(__file__).with_name("triton_client.py")


@pytest.fixture(autouse=True)
def kept(served: Served, models: NoiseModels) -> None:
    """Version 1 of each model serves, and version 2 of two is kept."""
    wait_for(lambda: set(metadata(served, NAMES[0])["versions"]) == {"1", "2"}, "the versions are not kept", 15)


def metadata(served: Served, name: str) -> dict[str, Any]:
    return dict(served.http.get(f"/v2/models/{name}").json())


def columns(served: Served, name: str) -> list[str]:
    return [tensor["name"] for tensor in metadata(served, name)["inputs"]]


def infer(served: Served, name: str, matrix: np.ndarray, version: str = "", **more: Any) -> dict[str, Any]:
    data = [None if np.isnan(value) else value for value in matrix.ravel().tolist()]
    tensor = {"name": "rows", "shape": list(matrix.shape), "datatype": "FP64", "data": data}
    path = f"/v2/models/{name}/versions/{version}/infer" if version else f"/v2/models/{name}/infer"
    response = served.http.post(path, json={"inputs": [tensor], **more})
    assert response.status_code == 200, response.text
    return dict(response.json())


def error_of(response: httpx.Response, status: int) -> str:
    """The text of the protocol's error."""
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error"} and response.headers["content-type"] == "application/json"
    return str(response.json()["error"])


def random_rows(count: int, width: int) -> np.ndarray:
    random = np.random.default_rng(count)
    found = random.normal(size=(count, width)) * 10.0 ** random.integers(-3, 9, width)
    found[random.random(found.shape) < 0.2] = np.nan
    return found


def test_what_a_decision_used_gives_its_scores_again(served: Served) -> None:
    decision: dict[str, Any] = {}

    def decided() -> bool:
        decision.update(served.decide("ann"))
        return bool(decision["scores"])

    wait_for(decided, "no scores", 15)
    logged = served.http.get(f"/decisions/{decision['decision_id']}").json()["decision"]
    for name, score in decision["scores"].items():
        row = np.array([[logged["features"][column] for column in columns(served, name)]], float)
        wanted = [{"name": "predict"}, {"name": "contributions"}]
        answer = infer(served, name, row, outputs=wanted, id="again")
        predict, contributions = (output["data"] for output in answer["outputs"])
        assert round(predict[0], 6) == score and (answer["id"], answer["model_version"]) == ("again", "1")
        found = {
            column: round(amount, 4)
            for column, amount in zip(columns(served, name), contributions[:-1], strict=True)
            if round(amount, 4)
        }
        assert found == logged["contributions"][name]
        assert 1 / (1 + np.exp(-sum(contributions))) == pytest.approx(predict[0], abs=1e-5)
    row = np.array([[logged["features"][column] for column in columns(served, "segments")]], float)
    found = {output["name"]: output["data"] for output in infer(served, "segments", row)["outputs"]}
    assert (found["segment"], found["activity"]) == ([decision["segment"]], [decision["activity"]])
    assert len(found["rfm"]) == 3 and set(found["rfm"]) <= set(range(6))


@pytest.mark.parametrize("version", ["", "1", "2"])
@pytest.mark.parametrize("rows", [1, 700])
def test_predictions_are_the_models_own(served: Served, models: NoiseModels, version: str, rows: int) -> None:
    folder = models.folder / NAMES[0] / (version or "1")
    model = load_model(folder, read_manifest(folder).views)
    matrix = random_rows(rows, len(model.manifest.features))
    before = served.metric(f'rapport_inference_rows_total{{model="{NAMES[0]}",version="{version or 1}"}}')
    answer = infer(served, NAMES[0], matrix, version)
    assert [output["shape"] for output in answer["outputs"]] == [[rows, 1]]
    assert answer["outputs"][0]["data"] == model.predict(matrix).tolist()
    assert (
        served.metric(f'rapport_inference_rows_total{{model="{NAMES[0]}",version="{version or 1}"}}') == before + rows
    )


def test_columns_by_name_in_any_order_are_the_same_rows(served: Served) -> None:
    names = columns(served, NAMES[1])
    matrix = random_rows(5, len(names))
    inputs = [
        {"name": name, "shape": [5, 1], "datatype": "FP64", "data": [None if np.isnan(v) else v for v in matrix[:, at]]}
        for at, name in reversed(list(enumerate(names)))
    ]
    answer = served.http.post(f"/v2/models/{NAMES[1]}/infer", json={"inputs": inputs}).json()
    assert answer == infer(served, NAMES[1], matrix)
    del inputs[3]
    assert "missing_field: inputs: " in error_of(
        served.http.post(f"/v2/models/{NAMES[1]}/infer", json={"inputs": inputs}), 400
    )


def test_what_there_is(served: Served, models: NoiseModels) -> None:
    for path in ("/v2", "/v2/"):
        server = served.http.get(path).json()
        assert set(server) == {"name", "version", "extensions"} and server["extensions"] == ["binary_tensor_data"]
    assert served.http.get("/v2/health/live").json() == {"live": True}
    assert served.http.get("/v2/health/ready").json() == {"live": True, "ready": True}
    for name in NAMES:
        for path in (f"/v2/models/{name}", f"/v2/models/{name}/versions/1"):
            found = served.http.get(path).json()
            assert set(found) == {"name", "versions", "platform", "inputs", "outputs"} and found["name"] == name
            assert served.http.get(f"{path}/ready").json() == {"name": name, "ready": True}
    manifest = read_manifest(models.folder / NAMES[0] / "1")
    assert tuple(columns(served, NAMES[0])) == manifest.feature_names


def test_what_there_is_not(served: Served) -> None:
    for path in ("", "/ready"):
        assert "purchase_propensity, escalation_risk, segments are" in error_of(
            served.http.get(f"/v2/models/nothing{path}"), 404
        )
        assert "of segments are: 1" in error_of(served.http.get(f"/v2/models/segments/versions/7{path}"), 404)
    assert "405" not in error_of(served.http.get("/v2/models/segments/infer"), 405)
    assert error_of(served.http.get("/v2/elsewhere"), 404).startswith("not_found")
    plain = {"Content-Type": "text/plain"}
    error_of(served.http.post("/v2/models/segments/infer", content=b"{}", headers=plain), 415)
    large = b" " * (INFER_LIMIT_BYTES + 1)
    told = error_of(
        served.http.post("/v2/models/segments/infer", content=large, headers={"Content-Type": "application/json"}), 413
    )
    assert f"{INFER_LIMIT_BYTES:,}" in told


@pytest.fixture
def alone(models: NoiseModels) -> Iterator[NoiseModels]:
    """The models, of which one test may take the champion away."""
    yield models
    models.promote("escalation_risk", "1")


def test_versions_come_and_go_with_promotion(served: Served, alone: NoiseModels) -> None:
    alone.promote(NAMES[1], "2")
    wait_for(lambda: metadata(served, NAMES[1])["versions"] == ["2", "1"], "version 2 does not serve", 15)
    row = random_rows(1, len(columns(served, NAMES[1])))
    assert infer(served, NAMES[1], row)["model_version"] == "2"
    away = alone.folder / "moved"
    shutil.move(alone.folder / NAMES[1] / "1", away)
    try:
        wait_for(lambda: metadata(served, NAMES[1])["versions"] == ["2"], "version 1 is still there", 15)
    finally:
        shutil.move(away, alone.folder / NAMES[1] / "1")
    wait_for(lambda: metadata(served, NAMES[1])["versions"] == ["2", "1"], "version 1 is not back", 15)


def test_a_real_client_is_answered(served: Served) -> None:
    """Triton's client, which sends and takes tensors as bytes unless it is told otherwise."""
    try:
        python = peer_python(ROOT, "mlserver")
    except ServiceError as error:
        pytest.skip(f"Triton's client cannot be had here: {error}")
    names = columns(served, NAMES[0])
    matrix = random_rows(300, len(names)).astype(np.float32)
    asked = {"url": served.url.removeprefix("http://"), "model": NAMES[0], "columns": names, "rows": _listed(matrix)}
    told = ask_peer(python, CLIENT, asked)
    expected = infer(served, NAMES[0], matrix.astype(np.float64))["outputs"][0]["data"]
    for way, predicted in told["predicted"].items():
        assert predicted == expected, way
    assert told["metadata"] == metadata(served, NAMES[0])
    assert told["live"] and told["ready"] and told["model_ready"] and not told["other_ready"]
    assert "not_found" in told["refusal"] and told["segment"]


def _listed(matrix: np.ndarray) -> list[list[float | None]]:
    return [[None if np.isnan(value) else value for value in row] for row in matrix.tolist()]
