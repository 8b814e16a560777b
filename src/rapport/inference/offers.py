"""A model as the protocol offers it: the columns that it takes, the outputs that it gives, and computing them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapport.models import Model, Segments

__all__ = ["RFM_COLUMNS", "Offer", "Output", "offer_of"]

RFM_COLUMNS = ("rfm__recency_s", "rfm__frequency", "rfm__monetary_micros")
_DATATYPES = {"int": "INT64", "float": "FP64", "bool": "BOOL"}

Computed = NDArray[Any]
Compute = Callable[[NDArray[np.float64]], Computed]


@dataclass(frozen=True, slots=True)
class Output:
    """One output.

    Attributes:
        datatype: FP64, INT64 or BYTES.
        width: elements per row.
        compute: float64[n, F] to [n, width] of the datatype; objects are texts.
        unasked: whether it is given when no outputs are asked for.
    """

    datatype: str
    width: int
    compute: Compute
    unasked: bool = True


@dataclass(frozen=True, slots=True)
class Offer:
    """One version of one model.

    Attributes:
        platform: `<project>_<format>`.
        columns: column to its datatype, in the matrix's order.
        outputs: by name.
    """

    name: str
    version: str
    platform: str
    columns: Mapping[str, str]
    outputs: Mapping[str, Output]


def offer_of(model: Model | Segments) -> Offer:
    """What a loaded model offers."""
    return _of_trees(model) if isinstance(model, Model) else _of_segments(model)


def _of_trees(model: Model) -> Offer:
    columns = {feature.name: _DATATYPES[feature.kind] for feature in model.manifest.features}

    def predict(matrix: NDArray[np.float64]) -> Computed:
        return model.predict(matrix)[:, None]

    def contributions(matrix: NDArray[np.float64]) -> Computed:
        rows = [[*(amount for _, amount in model.contributions(row)), model.bias] for row in matrix]
        return np.array(rows, np.float64)

    outputs = {
        "predict": Output("FP64", 1, predict),
        "contributions": Output("FP64", len(columns) + 1, contributions, unasked=False),
    }
    platform = "onnx_onnxv1" if model.runtime == "onnx" else "xgboost_ubj"
    return Offer(model.name, model.version, platform, columns, outputs)


def _of_segments(segments: Segments) -> Offer:
    names = list(dict.fromkeys((*RFM_COLUMNS, *segments.activity_features)))
    counts = [names.index(name) for name in segments.activity_features]

    def rfm(matrix: NDArray[np.float64]) -> Computed:
        return np.array([segments.rfm(*row[:3])[:3] for row in matrix.tolist()], np.int64)

    def segment(matrix: NDArray[np.float64]) -> Computed:
        return np.array([[segments.rfm(*row[:3]).name] for row in matrix.tolist()], object)

    def activity(matrix: NDArray[np.float64]) -> Computed:
        return np.array([[segments.activity(row)] for row in matrix[:, counts].tolist()], object)

    outputs = {
        "segment": Output("BYTES", 1, segment),
        "rfm": Output("INT64", 3, rfm),
        "activity": Output("BYTES", 1, activity),
    }
    return Offer(segments.name, segments.version, "rapport_segments", dict.fromkeys(names, "FP64"), outputs)
