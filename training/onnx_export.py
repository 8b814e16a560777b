"""The same trees for ONNX Runtime."""

from __future__ import annotations

from typing import Any

__all__ = ["to_onnx"]

_OPSET = 15


def to_onnx(booster: Any) -> bytes:
    """An XGBoost booster as an ONNX model: input `features` float[n, F], output `probabilities` float[n, 2].

    Whether both give the same probabilities is for promotion to show.
    """
    from onnxmltools.convert import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    nameless = booster.copy()
    # the converter takes only the names f0, f1, …, which is what a booster without names has
    nameless.feature_names = None
    nameless.feature_types = None
    width = booster.num_features()
    model = convert_xgboost(nameless, initial_types=[("features", FloatTensorType([None, width]))], target_opset=_OPSET)
    data: bytes = model.SerializeToString()
    return data
