"""What Triton's HTTP client gets of a server; runs in the environment that has it, and prints JSON."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException, np_to_triton_dtype


def tensor(name: str, values: np.ndarray, *, binary: bool) -> Any:
    made = InferInput(name, list(values.shape), np_to_triton_dtype(values.dtype))
    made.set_data_from_numpy(values, binary_data=binary)
    return made


def main() -> None:
    asked = json.load(sys.stdin)
    client = InferenceServerClient(asked["url"])
    matrix = np.array(asked["rows"], np.float32)
    model = asked["model"]

    def predict(*inputs: Any, **more: Any) -> list[float]:
        found: list[float] = client.infer(model, list(inputs), **more).as_numpy("predict").ravel().tolist()
        return found

    by_name = [tensor(name, matrix[:, [at]], binary=True) for at, name in enumerate(asked["columns"])]
    predicted = {
        "bytes": predict(tensor("x", matrix, binary=True)),
        "json": predict(
            tensor("x", matrix, binary=False), outputs=[InferRequestedOutput("predict", binary_data=False)]
        ),
        "by name": predict(*by_name, model_version="1", request_id="7"),
        "doubles": predict(tensor("x", matrix.astype(np.float64), binary=True)),
        "gzip": predict(tensor("x", matrix, binary=True), request_compression_algorithm="gzip"),
        "deflate": predict(tensor("x", matrix, binary=True), request_compression_algorithm="deflate"),
    }
    segments = [entry["name"] for entry in client.get_model_metadata("segments")["inputs"]]
    row = tensor("x", np.full((1, len(segments)), np.nan, np.float32), binary=True)
    try:
        client.get_model_metadata("nothing")
        refusal = ""
    except InferenceServerException as error:
        refusal = str(error)
    told = {
        "predicted": predicted,
        "metadata": client.get_model_metadata(model),
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "model_ready": client.is_model_ready(model),
        "other_ready": client.is_model_ready("nothing"),
        "segment": client.infer("segments", [row]).as_numpy("segment").ravel()[0].decode(),
        "refusal": refusal,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
