"""The protocol of one connection: uvicorn's, with what a decision service asks beyond that.

What every turn of a conversation asks is answered here, before any middleware sees it: BentoML's own start a task and a
timer for each request and look for a trace, and uvicorn checks and writes head and body apart, all of which takes
longer than the policy does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from bentos.budget import ARRIVED

__all__ = ["MOST_CONNECTIONS", "Hot", "HotProtocol"]

Hot = Callable[[Scope, Receive], Awaitable[Response]]
"""Answers a request; raises nothing."""
MOST_CONNECTIONS = 4_096
_NO_ROOM = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\nConnection: close\r\n"
)
_NO_ROOM_BODY = b'{"error":{"field":"","reason":"busy","detail":"too many connections, none of which is idle"}}'
_CLOSE = (b"connection", b"close")


class HotProtocol(HttpToolsProtocol):
    """Notes of each request when it had arrived whole, answers the hot ones itself, and keeps the number of connections
    bounded.

    Args:
        hot: path to what answers a POST to it.
        is_ending: whether answers are to ask for the connection to be closed.
        more: uvicorn's own.
    """

    def __init__(self, *, hot: Mapping[str, Hot], is_ending: Callable[[], bool], **more: Any) -> None:
        super().__init__(**more)
        self._hot = hot
        self._is_ending = is_ending

    def on_message_complete(self) -> None:
        self.scope["state"][ARRIVED] = time.perf_counter()
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        hot = self._hot.get(cycle.scope["path"]) if cycle.scope["method"] == "POST" else None
        if hot is None:
            super()._start_asgi_task(cycle, app)
            return
        task = self.loop.create_task(self._answer(cycle, hot))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _answer(self, cycle: RequestResponseCycle, hot: Hot) -> None:
        """Answer one request, head and body at once."""
        try:
            response = await hot(cycle.scope, cycle.receive)  # type: ignore[arg-type]
            if self.flow.write_paused and not cycle.disconnected:
                await self.flow.drain()
        except BaseException:
            self.transport.close()
            raise
        if cycle.disconnected:
            return
        cycle.keep_alive = cycle.keep_alive and not self._is_ending()
        headers = [*cycle.default_headers, *response.raw_headers]
        if not cycle.keep_alive:
            headers.append(_CLOSE)
        lines = [b"%b: %b\r\n" % header for header in headers]
        self.transport.write(b"".join([STATUS_LINE[response.status_code], *lines, b"\r\n", response.body]))
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()

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
        idle = next((one for one in self.connections if isinstance(one, HotProtocol) and one.is_idle), None)
        if idle is not None:
            idle.transport.close()
            return
        length = b"Content-Length: %d\r\n\r\n" % len(_NO_ROOM_BODY)
        self.transport.write(_NO_ROOM + length + _NO_ROOM_BODY)
        self.transport.close()
