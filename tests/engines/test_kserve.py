"""KServe's own client at the service: it gets the models' own predictions, whichever way it asks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rapport.errors import ServiceError
from rapport.models import load_model, read_manifest
from rapport.testing.models import NoiseModels
from rapport.testing.peers import ask_peer, peer_python
from rapport.testing.project import Project
from rapport.testing.served import Served
from tests.serving.serving_world import ROOT, declared

pytestmark = [pytest.mark.engines, pytest.mark.slow, pytest.mark.timeout(600)]

NAME = "purchase_propensity"
CLIENT = Path(__file__).with_name("kserve_client.py")


@pytest.fixture(scope="module")
def python() -> Path:
    try:
        return peer_python(ROOT, "kserve")
    except ServiceError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def project(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = Project(tmp_path_factory.mktemp("kserve"), ROOT)
    project.apply(declared())
    yield project
    project.redis.stop()


@pytest.fixture(scope="module")
def models(project: Project) -> NoiseModels:
    """Champions of all three."""
    models = NoiseModels(project)
    models.build(NAME, "1", seed=1)
    models.build("escalation_risk", "1", seed=2)
    models.build_segments("1")
    for name in (NAME, "escalation_risk", "segments"):
        models.promote(name, "1")
    return models


@pytest.fixture(scope="module")
def told(project: Project, models: NoiseModels, python: Path) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """What the client got, and the rows that it asked about."""
    served = Served(project)
    try:
        served.wait_ready()
        columns, segment = (
            [tensor["name"] for tensor in served.http.get(f"/v2/models/{name}").json()["inputs"]]
            for name in (NAME, "segments")
        )
        random = np.random.default_rng(3)
        matrix = (random.normal(size=(300, len(columns))) * 3).astype(np.float32)
        matrix[random.random(matrix.shape) < 0.2] = np.nan
        rows = [[None if np.isnan(value) else value for value in row] for row in matrix.tolist()]
        asked = {"url": served.url, "model": NAME, "columns": columns, "rows": rows, "segment_columns": len(segment)}
        yield ask_peer(python, CLIENT, asked), matrix
    finally:
        assert served.stop() == 0


def test_predictions_are_the_models_own(models: NoiseModels, told: tuple[dict[str, Any], np.ndarray]) -> None:
    answers, matrix = told
    folder = models.folder / NAME / "1"
    expected = load_model(folder, read_manifest(folder).views).predict(matrix.astype(np.float64)).tolist()
    assert len(answers["predicted"]) == 7
    for way, predicted in answers["predicted"].items():
        assert predicted == expected, way


def test_the_client_understands_the_rest(told: tuple[dict[str, Any], np.ndarray]) -> None:
    answers, _ = told
    assert answers["live"] and answers["ready"] and answers["model_ready"]
    assert len(answers["segment"]) == 1 and isinstance(answers["segment"][0], str)
    assert "not_found: model: 'nothing' is no model" in answers["refusal"]
