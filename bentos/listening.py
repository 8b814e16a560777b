"""The server that BentoML runs the routes in, which is uvicorn's, and what this service asks of it beyond that.

BentoML neither shows its server nor lets its protocol be chosen. The server has put its own method in the place of the
signal that ends the process, and so is found there.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bentos.budget import ARRIVED

__all__ = ["MOST_CONNECTIONS", "Listening", "TimedProtocol"]

MOST_CONNECTIONS = 4_096
_NO_ROOM = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\nConnection: close\r\n"
)
_NO_ROOM_BODY = b'{"error":{"field":"","reason":"busy","detail":"too many connections, none of which is idle"}}'
_logger = logging.getLogger(__name__)


class TimedProtocol(HttpToolsProtocol):
    """Notes of each request when it had arrived whole, and keeps the number of connections bounded."""

    def on_message_complete(self) -> None:
        self.scope["state"][ARRIVED] = time.perf_counter()
        super().on_message_complete()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            self._make_room()

    @property
    def is_idle(self) -> bool:
        """Whether it has answered, and waits for another request."""
        return self.timeout_keep_alive_task is not None

    @property
    def is_expected(self) -> bool:
        """Whether a request has come or is about to."""
        return not self.is_idle and not self.transport.is_closing()

    def _make_room(self) -> None:
        """Close one that is idle; if there is none, this one."""
        idle = next((one for one in self.connections if isinstance(one, TimedProtocol) and one.is_idle), None)
        if idle is not None:
            idle.transport.close()
            return
        length = b"Content-Length: %d\r\n\r\n" % len(_NO_ROOM_BODY)
        self.transport.write(_NO_ROOM + length + _NO_ROOM_BODY)
        self.transport.close()


class Listening:
    """A running server, before it has bound its protocol to its sockets.

    Args:
        server: it.
        end: what ends it.
    """

    def __init__(self, server: uvicorn.Server, end: Callable[[], object]) -> None:
        self._server = server
        self.end = end

    @classmethod
    def found(cls) -> Listening | None:
        """The server of this process; None when another one runs the routes."""
        handler = signal.getsignal(signal.SIGTERM)
        server = getattr(handler, "__self__", None)
        if not isinstance(server, uvicorn.Server) or not callable(handler):
            _logger.warning("not run by uvicorn: requests are not timed, and not drained when the process ends")
            return None
        return cls(server, lambda: handler(signal.SIGTERM, None))

    def time_requests(self) -> None:
        """Use TimedProtocol from now on."""
        config = self._server.config
        if isinstance(config.http_protocol_class, type) and issubclass(config.http_protocol_class, HttpToolsProtocol):
            config.http_protocol_class = TimedProtocol

    @property
    def expected(self) -> int:
        """Connections on which a request has come or is about to."""
        return sum(isinstance(one, TimedProtocol) and one.is_expected for one in self._server.server_state.connections)

    async def stop_listening(self) -> None:
        """Refuse further connections, in all processes that share the sockets; those that are made are served.

        The process that started this one holds the sockets, too: only closed here, they would go on taking connections
        that nobody serves.
        """
        for server in self._server.servers:
            sockets = [socket.socket(fileno=os.dup(one.fileno())) for one in server.sockets]
            server.close()
            for listener in sockets:
                with listener:
                    listener.setblocking(False)
                    made = list(_made(listener))
                    listener.shutdown(socket.SHUT_RDWR)
                for connection in made:
                    await self._serve(connection)

    async def _serve(self, connection: socket.socket) -> None:
        config, server = self._server.config, self._server
        loop = asyncio.get_running_loop()

        def protocol() -> asyncio.Protocol:
            made: asyncio.Protocol = config.http_protocol_class(  # type: ignore[call-arg]
                config=config, server_state=server.server_state, app_state=server.lifespan.state
            )
            return made

        try:
            await loop.connect_accepted_socket(protocol, connection, ssl=config.ssl)
        except OSError as error:
            _logger.info("a connection was lost while the service ended: %s", error)


def _made(listener: socket.socket) -> Iterator[socket.socket]:
    """The connections that are made and have not been taken."""
    while True:
        try:
            yield listener.accept()[0]
        except BlockingIOError:
            return
