"""The Open Inference Protocol's part of the OpenAPI description. Its objects are open: what is not listed is let be."""

from __future__ import annotations

from typing import Any

from rapport.decisions.scoring import MODELS, SEGMENTS
from rapport.inference import DATATYPES

__all__ = ["inference_paths", "inference_schemas"]

_MODEL = {
    "name": "model",
    "in": "path",
    "required": True,
    "schema": {"enum": [*MODELS, SEGMENTS]},
    "description": "The model's name",
}
_VERSION = {
    "name": "version",
    "in": "path",
    "required": True,
    "schema": {"type": "string"},
    "description": "One of the versions that the model's metadata names",
}
_LENGTH = {
    "name": "Inference-Header-Content-Length",
    "in": "header",
    "schema": {"type": "string", "pattern": "^[0-9]{1,11}$"},
    "description": "How many bytes of the body are JSON, where tensors' bytes follow",
}
_STATUSES = {
    "400": "The request is wrong: where, and what is allowed",
    "404": "There is no such model, or no such version of it is kept",
    "408": "The body did not arrive in time",
    "413": "The body is too large",
    "415": "The Content-Type or the Content-Encoding is not served",
    "429": "Too many inferences wait; ask again after Retry-After seconds",
    "503": "The service is starting, or no version of the model serves",
}
_EXAMPLE = {
    "id": "42",
    "inputs": [
        {"name": "rfm__recency_s", "shape": [1], "datatype": "FP64", "data": [86_400.0]},
        {"name": "rfm__frequency", "shape": [1], "datatype": "INT64", "data": [None]},
    ],
}


def inference_paths() -> dict[str, Any]:
    """Path to operations."""
    whole, one = "/v2/models/{model}", "/v2/models/{model}/versions/{version}"
    server = _get("What this server is", "ServerMetadata", "503")
    return {
        **_of_model(whole, [_MODEL], "of the version that serves"),
        **_of_model(one, [_MODEL, _VERSION], "of one version"),
        "/v2": {"get": server},
        "/v2/": {"get": server},
        "/v2/health/live": {"get": _get("Whether the server answers", "ServerLive")},
        "/v2/health/ready": {"get": _or_not_ready(_get("Whether all models serve", "ServerReady"), "ServerReady")},
    }


def inference_schemas() -> dict[str, Any]:
    """Schemas of the answers; those of requests come from the structs that decode them."""
    text, texts = {"type": "string"}, {"type": "array", "items": {"type": "string"}}
    whole = {"type": "array", "items": {"type": "integer"}}
    kind = {"enum": [*DATATYPES, "BYTES"]}
    tensors = {"type": "array", "items": {"$ref": "#/components/schemas/TensorMetadata"}}
    outputs = {"type": "array", "items": {"$ref": "#/components/schemas/OutputTensor"}}
    flag = {"type": "boolean"}
    metadata = {"name": text, "versions": texts, "platform": text, "inputs": tensors, "outputs": tensors}
    return {
        "ServerMetadata": _object({"name": text, "version": text, "extensions": texts}),
        "ServerLive": _object({"live": flag}),
        "ServerReady": _object({"live": flag, "ready": flag}),
        "ModelReady": _object({"name": text, "ready": flag}),
        "ModelMetadata": _object(metadata),
        "TensorMetadata": _object({"name": text, "datatype": kind, "shape": whole}),
        "InferResponse": _object({"model_name": text, "model_version": text, "outputs": outputs}, id=text),
        "OutputTensor": _object(
            {"name": text, "datatype": kind, "shape": whole}, data={"type": "array"}, parameters={"type": "object"}
        ),
        "InferenceError": _object({"error": text}),
    }


def _of_model(path: str, parameters: list[dict[str, Any]], which: str) -> dict[str, Any]:
    metadata = _get(f"Columns and outputs {which}", "ModelMetadata", "404", "503")
    ready = _or_not_ready(_get(f"Whether predictions {which} are to be had", "ModelReady", "404"), "ModelReady")
    infer = _infer(which)
    infer["parameters"] = [*parameters, _LENGTH]
    metadata["parameters"] = ready["parameters"] = parameters
    return {path: {"get": metadata}, f"{path}/ready": {"get": ready}, f"{path}/infer": {"post": infer}}


def _infer(which: str) -> dict[str, Any]:
    answer = _answer("The outputs", "InferResponse")
    raw = {"schema": {"type": "string", "format": "binary"}}
    answer["content"]["application/octet-stream"] = raw
    return {
        "summary": f"Compute predictions {which}",
        "description": "One tensor a column, named as it, or all columns in one tensor [n, columns] of any other name. "
        "null is a missing value. With the header Inference-Header-Content-Length the body is JSON with tensors' bytes "
        "behind it.",
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/InferRequest"}, "example": _EXAMPLE},
                "application/octet-stream": raw,
            },
        },
        "responses": {"200": answer, **_refusals(*_STATUSES)},
    }


def _or_not_ready(operation: dict[str, Any], schema: str) -> dict[str, Any]:
    """503 has the same shape as 200, or that of an error while the service starts."""
    refs = [{"$ref": f"#/components/schemas/{name}"} for name in (schema, "InferenceError")]
    not_ready = {"description": "Not yet", "content": {"application/json": {"schema": {"anyOf": refs}}}}
    operation["responses"]["503"] = not_ready
    return operation


def _get(summary: str, schema: str, *refusals: str) -> dict[str, Any]:
    return {"summary": summary, "responses": {"200": _answer("OK", schema), **_refusals(*refusals)}}


def _refusals(*statuses: str) -> dict[str, Any]:
    return {status: _answer(_STATUSES[status], "InferenceError") for status in statuses}


def _answer(text: str, schema: str) -> dict[str, Any]:
    return {
        "description": text,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }


def _object(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": {**required, **optional}}
