"""A loaded model: probabilities and what each feature contributed to one.

Probabilities come from ONNX Runtime on one thread when promotion has shown it equal to XGBoost on the evaluation set
(about 20 times faster for one row), else from XGBoost. Neither ever unpickles anything. One row, which is what a
decision asks about, is judged by compiled code that gives the same bits (rapport.models.judging).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapport.errors import ModelError, ModelRefused
from rapport.models.contributions import ShapleyTables
from rapport.models.judging import CompiledJudge, Judged, judged
from rapport.models.manifest import Manifest, read_manifest
from rapport.models.verify import check_features, check_files, check_views

__all__ = ["FEATURE_TYPES", "Matrix", "Model", "load_model", "open_onnx"]

Matrix = NDArray[np.floating[Any]]
Predict = Callable[[Matrix], NDArray[np.float64]]
UBJ = "model.ubj"
ONNX = "model.onnx"
FEATURE_TYPES = {"int": "int", "float": "float", "bool": "i"}
"""Kind of a feature to XGBoost's feature type."""
_KINDS = {kind: name for name, kind in FEATURE_TYPES.items()}


class Model:
    """One version of one model, ready to score; safe to use from several threads.

    Attributes:
        manifest: the folder's manifest.
        runtime: "onnx" or "xgboost", whose probabilities these are.
        is_compiled: whether single rows are judged by compiled code.
        bias: log-odds of a row before any feature is known; contributions add up from here.
    """

    def __init__(self, manifest: Manifest, booster: Any, onnx: Predict | None) -> None:
        self.manifest = manifest
        self.runtime = "onnx" if onnx else "xgboost"
        self._names = manifest.feature_names
        self._booster = booster
        self._predict = onnx or self._predict_xgboost
        trees = json.loads(booster.save_raw("json"))
        self._tables = _tables(trees, len(self._names))
        self._compiled = self._compile(trees)
        self.is_compiled = self._compiled is not None
        self.bias = float(self._exact(np.full(len(self._names), np.nan))[-1])

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def version(self) -> str:
        return self.manifest.version

    def predict(self, matrix: Matrix) -> NDArray[np.float64]:
        """Probabilities float64[n] of rows float[n, F] in the manifest's order; NaN is a missing value.

        Raises:
            ModelError: the matrix has another number of columns.
        """
        if matrix.ndim != 2 or matrix.shape[1] != len(self._names):
            raise ModelError(
                f"model {self.name} {self.version} takes rows of {len(self._names)} features, not {matrix.shape}"
            )
        return self._predict(matrix)

    def contributions(self, vector: Matrix) -> list[tuple[str, float]]:
        """What each feature of one row float[F] adds to the log-odds: (full name, contribution), in column order.

        They are exact Shapley values: with `bias` they add up to the log-odds of the prediction.
        """
        values = self._tables.values(vector) if self._tables else self._exact(vector)[:-1]
        return list(zip(self._names, values.tolist(), strict=True))

    def judge(self, vector: NDArray[np.float64], picks: NDArray[np.int64]) -> Judged:
        """Probability, contributions and their greatest of one row: float64[*], in which the model's features are at
        `picks`, int64[F] in the manifest's order. NaN is a missing value."""
        if self._compiled is not None:
            return self._compiled.judge(vector, picks)
        row = vector[picks]
        return judged(float(self._predict(row.reshape(1, -1))[0]), [value for _, value in self.contributions(row)])

    def _compile(self, trees: Mapping[str, Any]) -> CompiledJudge | None:
        if self._tables is None:
            return None
        try:
            compiled = CompiledJudge(trees, self._tables, onnx=self.runtime == "onnx")
        except ValueError:
            return None
        return compiled if compiled.equals(self._predict, len(self._names)) else None

    def _predict_xgboost(self, matrix: Matrix) -> NDArray[np.float64]:
        found: NDArray[np.float64] = self._booster.inplace_predict(matrix, validate_features=False).astype(np.float64)
        return found

    def _exact(self, vector: Matrix) -> NDArray[np.float64]:
        import xgboost

        rows = xgboost.DMatrix(
            np.asarray(vector, dtype=np.float32).reshape(1, -1),
            feature_names=self._booster.feature_names,
            feature_types=self._booster.feature_types,
            nthread=1,
        )
        found: NDArray[np.float64] = self._booster.predict(rows, pred_contribs=True)[0].astype(np.float64)
        return found


def load_model(folder: Path, fingerprints: Mapping[str, str]) -> Model:
    """Load a model folder after checking it whole.

    Args:
        folder: holds manifest.json, model.ubj and perhaps model.onnx.
        fingerprints: feature view to fingerprint (hex) of the declarations in use.

    Raises:
        ModelRefused: a file, a feature or a view is not what the manifest says; all of them are named.
    """
    manifest = read_manifest(folder)
    if manifest.kind != "xgboost":
        raise ModelRefused(f"{folder} holds a model of kind {manifest.kind!r}, not 'xgboost'")
    check_files(folder, manifest, [UBJ])
    check_views(folder, manifest, fingerprints)
    booster = _booster(folder / UBJ)
    kinds = [_KINDS.get(kind, kind) for kind in booster.feature_types or ()]
    check_features(folder, manifest, booster.feature_names or (), kinds)
    equal = ONNX in manifest.files and manifest.onnx_max_difference is not None
    return Model(manifest, booster, open_onnx(folder / ONNX) if equal else None)


def open_onnx(path: Path) -> Predict:
    """The probabilities of an ONNX model file: float[n, F] to float64[n], on one thread.

    Raises:
        ModelRefused: the file is not a model that ONNX Runtime takes.
    """
    import onnxruntime
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph, InvalidProtobuf

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except (Fail, InvalidGraph, InvalidProtobuf) as error:
        raise ModelRefused(f"{path} is not a model that ONNX Runtime takes: {error}") from None
    name = session.get_inputs()[0].name

    def predict(matrix: Matrix) -> NDArray[np.float64]:
        rows = np.ascontiguousarray(matrix, dtype=np.float32)
        found: NDArray[np.float64] = session.run(["probabilities"], {name: rows})[0][:, 1].astype(np.float64)
        return found

    return predict


def _booster(path: Path) -> Any:
    import xgboost

    booster = xgboost.Booster()
    try:
        booster.load_model(path)
    except xgboost.core.XGBoostError as error:
        raise ModelRefused(f"{path} is not a model that XGBoost takes: {str(error).splitlines()[0]}") from None
    booster.set_param({"nthread": 1})
    return booster


def _tables(model: Mapping[str, Any], features: int) -> ShapleyTables | None:
    booster = model["learner"]["gradient_booster"]
    if booster["name"] != "gbtree":
        return None
    try:
        return ShapleyTables(booster["model"]["trees"], features)
    except ValueError:
        # deeper trees than are tabulated: XGBoost computes the same values, several times slower
        return None
