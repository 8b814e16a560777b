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
            await self._api.main_port(scope, receive, _answering(self._api, send))
            return
        await self._app(scope, receive, send)


def _answering(api: Api, send: Send) -> Send:
    """What sends the answer; while the service ends it asks for the connection to be closed with it, so that the next
    request is sent to another process."""
    if not api.is_ending:
        return send

    async def closing(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
        await send(message)

    return closing
