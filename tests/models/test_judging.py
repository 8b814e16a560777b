"""One row judged by compiled code: the runtime's own bits, Python's own rounding, the greatest contributions first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st
from model_folders import FINGERPRINTS, make_folder, rows

from rapport.models import Model, load_model
from rapport.models.contributions import ShapleyTables
from rapport.models.judging import CompiledJudge, judged
from rapport.models.kernels import round_to_places
from rapport.models.scorer import open_onnx
from training.onnx_export import to_onnx


def _booster(seed: int, depth: int, width: int, share: float) -> tuple[Any, np.ndarray]:
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(400, width)).round(1)
    matrix[random.random(matrix.shape) < 0.25] = np.nan
    score = np.nan_to_num(matrix).sum(axis=1) + random.normal(size=400)
    label = (score > np.quantile(score, 1 - share)).astype(float)
    params = {"objective": "binary:logistic", "max_depth": depth, "nthread": 1}
    return xgboost.train(params, xgboost.DMatrix(matrix, label), 30), matrix


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 1_000),
    depth=st.integers(1, 4),
    width=st.integers(1, 8),
    share=st.sampled_from([0.1, 0.5, 0.9]),
)
def test_the_bits_are_the_runtimes(
    tmp_path_factory: pytest.TempPathFactory, seed: int, depth: int, width: int, share: float
) -> None:
    booster, matrix = _booster(seed, depth, width, share)
    model = json.loads(booster.save_raw("json"))
    tables = ShapleyTables(model["learner"]["gradient_booster"]["model"]["trees"], width)
    file = tmp_path_factory.mktemp("onnx") / "model.onnx"
    file.write_bytes(to_onnx(booster))
    asked = np.vstack([matrix[:60], np.full((1, width), np.inf), np.full((1, width), -np.inf)]).astype(np.float32)
    by_onnx, by_xgboost = open_onnx(file)(asked).tolist(), booster.inplace_predict(asked, missing=np.nan).tolist()
    # the features of the model stand in another order among others
    spread = np.zeros((len(asked), width + 2))
    picks = np.arange(width, 0, -1)
    spread[:, picks] = asked
    for runtime, expected in (("onnx", by_onnx), ("xgboost", by_xgboost)):
        judge = CompiledJudge(model, tables, onnx=runtime == "onnx")
        found = [judge.judge(row, picks) for row in spread]
        assert [one.probability for one in found] == expected
        for row, one in zip(asked, found, strict=True):
            assert one == judged(one.probability, tables.values(row).tolist())


@pytest.mark.parametrize("onnx", [True, False])
def test_a_loaded_model_judges_as_it_predicts(tmp_path: Path, onnx: bool) -> None:
    model = load_model(make_folder(tmp_path, "1", onnx=onnx), FINGERPRINTS)
    assert model.is_compiled and model.runtime == ("onnx" if onnx else "xgboost")
    matrix = rows(200, seed=4)
    picks = np.arange(matrix.shape[1])
    assert [model.judge(row, picks).probability for row in matrix] == model.predict(matrix).tolist()


def test_a_runtime_that_differs_is_asked_itself(tmp_path: Path) -> None:
    model = load_model(make_folder(tmp_path, "1"), FINGERPRINTS)
    other = Model(model.manifest, model._booster, lambda matrix: np.full(len(matrix), 0.25))
    row, picks = rows(1, seed=4)[0], np.arange(4)
    assert not other.is_compiled
    assert other.judge(row, picks) == model.judge(row, picks)._replace(probability=0.25)


def test_another_objective_is_not_compiled() -> None:
    matrix = np.random.default_rng(1).normal(size=(50, 2))
    booster = xgboost.train({"objective": "reg:squarederror", "nthread": 1}, xgboost.DMatrix(matrix, matrix[:, 0]), 2)
    model = json.loads(booster.save_raw("json"))
    tables = ShapleyTables(model["learner"]["gradient_booster"]["model"]["trees"], 2)
    with pytest.raises(ValueError, match="reg:squarederror is not compiled"):
        CompiledJudge(model, tables, onnx=False)


@given(st.floats(-1e4, 1e4) | st.integers(-400_000, 400_000).map(lambda n: n / 20_000))
def test_rounding_is_pythons(value: float) -> None:
    rounded, is_unsure = round_to_places(value)
    assert is_unsure or rounded == round(value, 4)


def test_what_is_close_to_half_way_is_left_to_python() -> None:
    assert round_to_places(0.00015)[1] and not round_to_places(0.00014)[1]
