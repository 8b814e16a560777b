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
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bentos.protocol import Hot, HotProtocol

__all__ = ["Listening"]

_logger = logging.getLogger(__name__)


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

    def answer_hot(self, hot: Mapping[str, Hot], is_ending: Callable[[], bool]) -> None:
        """Use HotProtocol from now on.

        Args:
            hot, is_ending: as HotProtocol takes them.
        """
        config = self._server.config
        if isinstance(config.http_protocol_class, type) and issubclass(config.http_protocol_class, HttpToolsProtocol):
            config.http_protocol_class = partial(HotProtocol, hot=hot, is_ending=is_ending)  # type: ignore[assignment]

    @property
    def expected(self) -> int:
        """Connections on which a request has come or is about to."""
        return sum(isinstance(one, HotProtocol) and one.is_expected for one in self._server.server_state.connections)

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
