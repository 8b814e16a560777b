"""What stands between BentoML's server and the routes: every request goes to ours, and none to those of BentoML, which
knows of pages and probes that nobody checks a key for."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bentos.api import Api

__all__ = ["Front"]


class Front:
    """ASGI middleware that answers HTTP with the application's own routes."""

    def __init__(self, app: ASGIApp, api: Api) -> None:
        self._app = app
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._api.main_port(scope, receive, _closing(send) if self._api.is_ending else send)
        else:
            await self._app(scope, receive, send)


def _closing(send: Send) -> Send:
    """Asks for the connection to be closed with the answer, so that the next request is sent to another process."""

    async def closing(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
        await send(message)

    return closing
