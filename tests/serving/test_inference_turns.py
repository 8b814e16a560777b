"""Large inferences wait for each other, and not the event loop for them."""

from __future__ import annotations

import asyncio
import json
import threading

import numpy as np
import pytest

from bentos.inference import AT_ONCE_BYTES, MOST_WAITING, Inference
from bentos.metrics import Metrics
from rapport.inference import Answer, Offer
from rapport.inference.offers import Output
from rapport.intake.refusal import Refusal

SMALL = json.dumps({"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP64", "data": [2]}]}).encode()
LARGE = SMALL + b" " * AT_ONCE_BYTES


def test_what_waits_too_long_is_refused_and_the_rest_goes_on() -> None:
    open_now, computing, most = threading.Event(), [0], [0]

    def slow(matrix: np.ndarray) -> np.ndarray:
        computing[0] += 1
        most[0] = max(most[0], computing[0])
        assert open_now.wait(20)
        computing[0] -= 1
        return matrix

    def offered(output: Output) -> Offer:
        return Offer("slow", "1", "test_slow", {"x": "FP64"}, {"y": output})

    async def ask() -> list[Answer]:
        metrics = Metrics()
        inference = Inference(metrics)
        large = offered(Output("FP64", 1, slow))
        waiting = [asyncio.create_task(inference.infer(large, LARGE, None)) for _ in range(MOST_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(Refusal) as told:
            await inference.infer(large, LARGE, None)
        assert (told.value.status, told.value.reason) == (429, "busy") and told.value.headers["Retry-After"]
        quick = offered(Output("FP64", 1, lambda matrix: matrix))
        assert (await inference.infer(quick, SMALL, None)).rows == 1
        open_now.set()
        answers = await asyncio.gather(*waiting)
        assert metrics.inferred["slow", "1"] == MOST_WAITING + 1 == sum(metrics.inference.counts)
        return answers

    answers = asyncio.run(ask())
    assert most == [1] and all(json.loads(answer.body)["outputs"][0]["data"] == [2.0] for answer in answers)
