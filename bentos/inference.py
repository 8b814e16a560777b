"""The routes of the Open Inference Protocol v2: the models by themselves, for clients that speak it.

Small requests are computed at once. Larger ones are computed in a thread, one after the other, so that decisions go on
meanwhile; what waits too long is refused.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from bentos.access import INFER, PUBLIC, Needs
from bentos.body import json_answer, read_body, require_type
from bentos.metrics import Metrics
from rapport.inference import Answer, Kept, KeptVersions, Offer, call, model_metadata, server_metadata
from rapport.intake.bodies import JSON
from rapport.intake.refusal import Refusal

__all__ = ["HEADER_LENGTH", "Inference", "InferenceRoutes", "protocol_refusal"]

INFER_LIMIT_BYTES = 512 * 1024
AT_ONCE_BYTES = 4 * 1024
"""Up to this size of its body a request costs less than handing it to a thread and waiting there."""
MOST_WAITING = 16
BINARY = "application/octet-stream"
HEADER_LENGTH = "Inference-Header-Content-Length"
Handler = Callable[[Request], Awaitable[Response]]


class Inference:
    """The models, and computing with them.

    Attributes:
        kept: the versions that can be asked for; None until the declarations are known that they are checked against.
    """

    def __init__(self, metrics: Metrics) -> None:
        self.kept: KeptVersions | None = None
        self._metrics = metrics
        self._turn = asyncio.Semaphore(1)
        self._waiting = 0

    async def refresh(self) -> None:
        """Look for versions that came or went."""
        if self.kept is not None:
            await asyncio.to_thread(self.kept.refresh)

    @property
    def ready(self) -> bool:
        """Whether each model has a version that serves."""
        kept = self.kept
        return kept is not None and all(one is not None and one.champion for one in map(kept.get, kept.names))

    def model(self, name: str) -> Kept:
        """The versions of a model.

        Raises:
            Refusal: 404 there is no such model, 503 its declarations are not known yet.
        """
        if self.kept is None:
            raise Refusal(503, "starting", "", "the feature store has not been read yet", {"Retry-After": "1"})
        found = self.kept.get(name)
        if found is None:
            raise Refusal(404, "not_found", "model", f"{name[:80]!r} is no model; {', '.join(self.kept.names)} are")
        return found

    def offer(self, name: str, version: str | None) -> Offer:
        """One version of a model; without `version` the champion.

        Raises:
            Refusal: 404 there is no such model or version, 503 the model has no champion.
        """
        kept = self.model(name)
        if version is None and kept.champion is None:
            raise Refusal(503, "not_ready", "", f"no version of {name} serves; `rapport promote {name}` lets one serve")
        found = kept.champion if version is None else kept.versions.get(version)
        if found is None:
            served = ", ".join(kept.versions) or "none"
            raise Refusal(404, "not_found", "version", f"{str(version)[:80]!r} is not kept; of {name} are: {served}")
        return found

    async def infer(self, offer: Offer, body: bytes, header_length: str | None) -> Answer:
        """Compute, and count it.

        Raises:
            Refusal: 400 the request is wrong, 429 too many wait.
        """
        started = time.perf_counter()
        if len(body) <= AT_ONCE_BYTES:
            answer = call(offer, body, header_length)
        else:
            answer = await self._in_turn(offer, body, header_length)
        self._metrics.inference.observe(time.perf_counter() - started)
        self._metrics.inferred[offer.name, offer.version] += answer.rows
        return answer

    async def _in_turn(self, offer: Offer, body: bytes, header_length: str | None) -> Answer:
        if self._waiting >= MOST_WAITING:
            raise Refusal(429, "busy", "", "too many inferences wait; ask again in a second", {"Retry-After": "1"})
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(call, offer, body, header_length)
        finally:
            self._waiting -= 1


class Served(NamedTuple):
    """A route: its path, handler, method, and what it needs."""

    path: str
    handler: Handler
    method: str
    needs: Needs


class InferenceRoutes:
    """Handlers over the models.

    Args:
        running: gives them; raises Refusal while the service starts.
        is_ending: whether the process was told to end, so that others are to be asked.
    """

    def __init__(self, running: Callable[[], Inference], is_ending: Callable[[], bool] = lambda: False) -> None:
        self._running = running
        self._is_ending = is_ending

    def routes(self) -> list[Served]:
        whole, one = "/v2/models/{model}", "/v2/models/{model}/versions/{version}"
        return [
            *(Served(f"{path}/infer", self._infer, "POST", INFER) for path in (whole, one)),
            *(Served(path, self._metadata, "GET", INFER) for path in (whole, one)),
            *(Served(f"{path}/ready", self._model_ready, "GET", INFER) for path in (whole, one)),
            *(Served(path, self._server, "GET", INFER) for path in ("/v2", "/v2/")),
            Served("/v2/health/live", self._live, "GET", PUBLIC),
            Served("/v2/health/ready", self._ready, "GET", PUBLIC),
        ]

    async def _infer(self, request: Request) -> Response:
        models = self._running()
        offer = models.offer(*_named(request))
        if "content-type" in request.headers:
            require_type(request, JSON, BINARY)
        body = await read_body(request, INFER_LIMIT_BYTES, gzip=True, deflate=True)
        answer = await models.infer(offer, body, request.headers.get(HEADER_LENGTH))
        if answer.json_bytes is None:
            return Response(answer.body, media_type=JSON)
        return Response(answer.body, media_type=BINARY, headers={HEADER_LENGTH: str(answer.json_bytes)})

    async def _metadata(self, request: Request) -> Response:
        models = self._running()
        offer = models.offer(*_named(request))
        return json_answer(model_metadata(offer, tuple(models.model(offer.name).versions)))

    async def _model_ready(self, request: Request) -> Response:
        models = self._running()
        name, version = _named(request)
        if version is not None:
            models.offer(name, version)
        ready = version is not None or models.model(name).champion is not None
        return json_answer({"name": name, "ready": ready}, 200 if ready else 503)

    async def _server(self, request: Request) -> Response:
        return json_answer(server_metadata())

    async def _live(self, request: Request) -> Response:
        return json_answer({"live": True})

    async def _ready(self, request: Request) -> Response:
        ready = self._running().ready and not self._is_ending()
        # the protocol's text calls this field `live`, its servers call it `ready`
        return json_answer({"live": True, "ready": ready}, 200 if ready else 503)


def protocol_refusal(refusal: Refusal) -> bytes:
    """The protocol's error: one text."""
    told = (refusal.reason, refusal.field, refusal.detail)
    return msgspec.json.encode({"error": ": ".join(text for text in told if text)})


def _named(request: Request) -> tuple[str, str | None]:
    return request.path_params["model"], request.path_params.get("version")
