"""A second port of the same process, for what operators ask: it sees the same counters, and no chatbot reaches it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from rapport.access.tls import CIPHERS
from rapport.errors import ServiceError
from rapport.settings import Settings

__all__ = ["AdminPort"]


class _Beside(uvicorn.Server):
    """A server whose signals are another server's matter."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class AdminPort:
    """Serves an application at the installation's admin port, on the running event loop."""

    def __init__(self, settings: Settings, app: ASGIApp) -> None:
        self._settings = settings
        self._app = app
        self._server: _Beside | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Bind and serve.

        Raises:
            ServiceError: the port is taken.
        """
        settings = self._settings
        tls = bool(settings.tls_cert_file)
        config = uvicorn.Config(
            self._app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            limit_concurrency=50,
            ssl_certfile=str(settings.root / settings.tls_cert_file) if tls else None,
            ssl_keyfile=str(settings.root / settings.tls_key_file) if tls else None,
            ssl_ciphers=CIPHERS,
        )
        self._server = _Beside(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[self._bound()]), name="admin port")

    async def stop(self) -> None:
        if self._server is None or self._task is None:
            return
        self._server.should_exit = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._task, 2.0)

    def _bound(self) -> socket.socket:
        settings = self._settings
        place = (settings.host, settings.own_admin_port)
        try:
            family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
            return socket.create_server(place, family=family)
        except OSError as error:
            raise ServiceError(
                f"port {place[1]} of {place[0]} cannot be bound ({error.strerror}): stop what uses it, or set "
                "RAPPORT_ADMIN_PORT to another one"
            ) from error
