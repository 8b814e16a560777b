"""What KServe's own client gets of a server; runs in the environment that has it, and prints JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

Asked = dict[str, Any]


def tensor(name: str, values: np.ndarray, datatype: str, *, binary: bool) -> Any:
    made = InferInput(name, list(values.shape), datatype)
    made.set_data_from_numpy(values, binary_data=binary)
    return made


def requests(asked: Asked, matrix: np.ndarray) -> dict[str, Any]:
    """The same rows, each way that the client can send them and take what comes back."""

    def request(*inputs: Any, **more: Any) -> Any:
        return InferRequest(asked["model"], list(inputs), **more)

    whole = {binary: tensor("x", matrix, "FP32", binary=binary) for binary in (True, False)}
    by_name = [tensor(name, matrix[:, [at]], "FP32", binary=True) for at, name in enumerate(asked["columns"])]
    wanted = [RequestedOutput("predict", {"binary_data": True})]
    listed = [None if np.isnan(value) else value for value in matrix.ravel().tolist()]
    as_dict = {"inputs": [{"name": "x", "shape": list(matrix.shape), "datatype": "FP32", "data": listed}]}
    return {
        "json": request(whole[False]),
        "bytes": request(whole[True]),
        "bytes both ways": request(whole[True], parameters={"binary_data_output": True}),
        "output as bytes": request(whole[False], request_outputs=wanted),
        "by name": request(*by_name, request_id="7"),
        "doubles": request(tensor("x", matrix.astype(np.float64), "FP64", binary=True)),
        "dict": as_dict,
    }


async def asked_of(url: str, asked: Asked) -> Asked:
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    matrix = np.array(asked["rows"], np.float32)
    predicted = {}
    for way, request in requests(asked, matrix).items():
        answer = await client.infer(url, request, model_name=asked["model"])
        (output,) = answer.outputs
        predicted[way] = output.as_numpy().ravel().tolist()
    row = tensor("x", np.full((1, asked["segment_columns"]), np.nan, np.float32), "FP32", binary=False)
    segment, *_ = (await client.infer(url, InferRequest("segments", [row]), model_name="segments")).outputs
    try:
        await client.infer(url, InferRequest("nothing", [row]), model_name="nothing")
        refusal = ""
    except httpx.HTTPStatusError as error:
        refusal = str(error)
    told = {
        "predicted": predicted,
        "live": await client.is_server_live(url),
        "ready": await client.is_server_ready(url),
        "model_ready": await client.is_model_ready(url, asked["model"]),
        "segment": segment.as_numpy().ravel().tolist(),
        "refusal": refusal,
    }
    await client.close()
    return told


def main() -> None:
    asked = json.load(sys.stdin)
    print(json.dumps(asyncio.run(asked_of(asked["url"], asked))))


if __name__ == "__main__":
    main()
