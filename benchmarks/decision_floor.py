"""What decisions are measured against: a no-op, and a bare BentoML mount with one HMGET and two ONNX predictions.

    uvicorn benchmarks.decision_floor:noop
    bentoml serve benchmarks.decision_floor:Floor

The mount has the same settings as the decision service, and does nothing else: no checks, windows, reasons or log.
FLOOR_REDIS_URL, FLOOR_KEY and FLOOR_MODELS (paths, colon-separated) say what it reads and asks.
"""

from __future__ import annotations

import asyncio
import gc
import os
from pathlib import Path
from typing import Any

import bentoml
import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def _noop(request: Request) -> Response:
    await request.body()
    return Response(b"{}", media_type="application/json")


noop = Starlette(routes=[Route("/personalize", _noop, methods=["POST"])])


class _Bare:
    def __init__(self) -> None:
        import redis.asyncio

        from rapport.models.scorer import open_onnx

        self._redis: Any = redis.asyncio.Redis.from_url(os.environ["FLOOR_REDIS_URL"])
        self._key = bytes.fromhex(os.environ["FLOOR_KEY"])
        self._fields = [f"f{n}".encode() for n in range(8)]
        self._predict = [open_onnx(Path(path)) for path in os.environ["FLOOR_MODELS"].split(":")]
        self._rows = [np.zeros((1, int(width)), np.float32) for width in os.environ["FLOOR_WIDTHS"].split(":")]

    async def answer(self, request: Request) -> Response:
        await request.body()
        await self._redis.hmget(self._key, self._fields)
        for predict, row in zip(self._predict, self._rows, strict=True):
            predict(row)
        return Response(b"{}", media_type="application/json")


_bare: list[_Bare] = []


async def _mounted(request: Request) -> Response:
    return await _bare[0].answer(request)


@bentoml.service(
    name="floor",
    workers=1,
    tracing={"excluded_urls": ".*"},
    traffic={"timeout": 15},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
)
@bentoml.asgi_app(Starlette(routes=[Route("/personalize", _mounted, methods=["POST"])]), path="/", name="floor")
class Floor:
    """The bare mount."""

    @bentoml.on_startup
    async def begin(self) -> None:
        _bare.append(_Bare())
        self._settled = asyncio.create_task(self._settle())

    async def _settle(self) -> None:
        await asyncio.sleep(1)
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
