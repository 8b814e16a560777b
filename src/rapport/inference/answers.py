"""Answers of the protocol: JSON, with tensors' bytes behind it where they were asked for so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, NamedTuple

import msgspec
import numpy as np

from rapport.inference.offers import Offer
from rapport.inference.wire import BINARY_SIZE, InferRequest

__all__ = ["Answer", "answer_of", "model_metadata", "server_metadata"]

Given = Mapping[str, tuple[str, np.ndarray[Any, Any]]]
"""Output to its datatype and its values [n, width]."""

_encoder = msgspec.json.Encoder()


class Answer(NamedTuple):
    """What an inference gives.

    Attributes:
        body: JSON, and bytes behind it.
        json_bytes: how many bytes are JSON; None: all.
        rows: of the request.
    """

    body: bytes
    json_bytes: int | None
    rows: int


def server_metadata() -> dict[str, Any]:
    return {"name": "rapport", "version": version("rapport"), "extensions": ["binary_tensor_data"]}


def model_metadata(offer: Offer, versions: Sequence[str]) -> dict[str, Any]:
    """A model's columns and outputs, and the versions that may be asked for."""
    return {
        "name": offer.name,
        "versions": list(versions),
        "platform": offer.platform,
        "inputs": [{"name": name, "datatype": kind, "shape": [-1, 1]} for name, kind in offer.columns.items()],
        "outputs": [
            {"name": name, "datatype": output.datatype, "shape": [-1, output.width]}
            for name, output in offer.outputs.items()
        ],
    }


def answer_of(offer: Offer, request: InferRequest, given: Given, rows: int) -> Answer:
    """The response with these outputs."""
    binary = _binary_names(request, given)
    tails: list[bytes] = []
    outputs: list[dict[str, Any]] = []
    for name, (datatype, values) in given.items():
        output: dict[str, Any] = {"name": name, "datatype": datatype, "shape": list(values.shape)}
        if name in binary:
            tails.append(_raw(values))
            output["parameters"] = {BINARY_SIZE: len(tails[-1])}
        else:
            output["data"] = values.ravel().tolist()
        outputs.append(output)
    said: dict[str, Any] = {"model_name": offer.name, "model_version": offer.version, "outputs": outputs}
    if request.id is not None:
        said["id"] = request.id
    text = _encoder.encode(said)
    return Answer(b"".join((text, *tails)), len(text) if tails else None, rows)


def _binary_names(request: InferRequest, given: Given) -> set[str]:
    """The outputs that are to come as bytes: what an output says of itself goes before what the request says."""
    every = (request.parameters or {}).get("binary_data_output") is True
    said = {wanted.name: (wanted.parameters or {}).get("binary_data", every) for wanted in request.outputs or ()}
    return {name for name in given if said.get(name, every) is True}


def _raw(values: np.ndarray[Any, Any]) -> bytes:
    if values.dtype != object:
        return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
    texts = [text.encode() for text in values.ravel().tolist()]
    return b"".join(part for text in texts for part in (len(text).to_bytes(4, "little"), text))
