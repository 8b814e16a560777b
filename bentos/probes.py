"""`/livez` and `/readyz` as JSON, in front of BentoML's own, which answer an empty line."""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from bentos.api import Api, json_answer
from rapport.decisions.answers import Health

__all__ = ["Probes"]

_STARTING = Health(
    ready=False, status="starting", redis=False, bus=False, policy=False, features_current=False, models={}, problems=[]
)


class Probes:
    """ASGI middleware that answers the two probes."""

    def __init__(self, app: ASGIApp, api: Api) -> None:
        self._app = app
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path")
        if scope["type"] != "http" or path not in ("/livez", "/readyz"):
            await self._app(scope, receive, send)
            return
        answer = json_answer({"alive": True}) if path == "/livez" else self._readyz(scope)
        await answer(scope, receive, send)

    def _readyz(self, scope: Scope) -> Response:
        """200 once decisions are answered, also degraded ones: a probe that failed with the online store would take
        every chatbot's answers away. `?strict=1`: 503 unless all is well."""
        health = self._api.runtime.health() if self._api.runtime else _STARTING
        strict = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("strict") == ["1"]
        well = health.status == "ok" if strict else health.ready
        return json_answer(health, 200 if well else 503)
