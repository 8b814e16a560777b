"""The edge over HTTP: `POST /events` as the decision service has it, `/livez`, `/readyz` and `/metrics`. Plain ASGI."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import msgspec

from rapport.edge.figures import Figures
from rapport.edge.keeper import Keeper
from rapport.edge.spool import Spool
from rapport.errors import EdgeFull, EdgeUnwritable
from rapport.intake.bodies import EVENTS_LIMIT_BYTES, JSON, NDJSON, parse_events, parse_lines
from rapport.intake.packing import too_large, unpacker
from rapport.intake.refusal import Refusal
from rapport.quiet import log_failure

__all__ = ["App"]

RETRY_AFTER_S = 5
READ_TIMEOUT_S = 5.0
HELD_BYTES = EVENTS_LIMIT_BYTES
"""Bodies, unpacked, that are held at a time; others wait unread."""
UNPACKED_MOST = 1_032
"""Times that gzip makes a body larger at most."""
_TEXT = "text/plain; version=0.0.4; charset=utf-8"
_PARSERS = {JSON: parse_events, NDJSON: parse_lines}
_log = logging.getLogger(__name__)
_Receive = Callable[[], Awaitable[dict[str, Any]]]
_Send = Callable[[dict[str, Any]], Awaitable[None]]


class _Response(NamedTuple):
    status: int
    body: bytes
    headers: Mapping[str, str] = {}
    media_type: str = JSON


class App:
    """The ASGI application."""

    def __init__(self, spool: Spool, keeper: Keeper, figures: Figures) -> None:
        self._spool = spool
        self._keeper = keeper
        self._figures = figures
        self._room = _Room(HELD_BYTES)

    async def __call__(self, scope: dict[str, Any], receive: _Receive, send: _Send) -> None:
        if scope["type"] != "http":
            return
        try:
            response = await self._answer(scope, receive)
        except Refusal as refusal:
            response = _Response(refusal.status, refusal.body(), refusal.headers)
        except Exception as error:  # the last line
            log_failure(_log, error, "a request failed")
            response = _Response(500, Refusal(500, "internal_error", "", "this failed; its log says where").body())
        given = {"content-type": response.media_type, "content-length": str(len(response.body)), **response.headers}
        headers = [(name.lower().encode(), value.encode()) for name, value in given.items()]
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})

    async def _answer(self, scope: dict[str, Any], receive: _Receive) -> _Response:
        match scope["path"], scope["method"]:
            case "/events", "POST":
                headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
                async with self._room.for_body(headers):
                    return await self._events(headers, receive)
            case "/livez", "GET":
                return _Response(200, b'{"alive":true}')
            case "/readyz", "GET":
                return await asyncio.to_thread(self._ready)
            case "/metrics", "GET":
                text = await asyncio.to_thread(self._figures.render, self._spool)
                return _Response(200, text.encode(), media_type=_TEXT)
            case ("/events" | "/livez" | "/readyz" | "/metrics") as path, method:
                allowed = "POST" if path == "/events" else "GET"
                detail = f"{method[:20]} is not served here; {allowed} is"
                raise Refusal(405, "method_not_allowed", "", detail, {"Allow": allowed})
            case _:
                raise Refusal(404, "not_found", "", "there is POST /events, GET /livez, /readyz and /metrics")

    async def _events(self, headers: dict[str, str], receive: _Receive) -> _Response:
        parse = _PARSERS.get(_media_type(headers))
        if parse is None:
            given = headers.get("content-type", "")[:80]
            raise Refusal(415, "bad_media_type", "", f"{given!r} is not served; send {' or '.join(_PARSERS)}")
        body = await _read(headers, receive)
        events = parse(body)
        del body
        try:
            answer = await self._keeper.keep(events, headers.get("user-agent", ""))
        except EdgeFull as error:
            detail = f"{error}; send them again later"
            raise Refusal(429, "buffer_full", "", detail, {"Retry-After": str(RETRY_AFTER_S)}) from None
        except EdgeUnwritable as error:
            _log.error("%s", error)
            raise Refusal(503, "buffer_unwritable", "", str(error), {"Retry-After": str(RETRY_AFTER_S)}) from None
        return _Response(202 if answer.accepted or answer.dropped else 400, msgspec.json.encode(answer))

    def _ready(self) -> _Response:
        """200 while events are taken, also when they are not forwarded."""
        full = not self._spool.has_room([])
        state = {
            "ready": not full,
            "problem": "the buffer is full" if full else self._figures.problem,
            "buffer_events": self._spool.events,
            "buffer_bytes": self._spool.size,
        }
        return _Response(503 if full else 200, msgspec.json.encode(state))


class _Room:
    """Bytes that bodies may take together."""

    def __init__(self, left: int) -> None:
        self._left = left
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def for_body(self, headers: Mapping[str, str]) -> AsyncIterator[None]:
        """Wait until there is room for a body: for as much as it can have by what its headers say."""
        declared = headers.get("content-length", "")
        size = int(declared) if declared.isdecimal() else EVENTS_LIMIT_BYTES
        wanted = min(size * (UNPACKED_MOST if "content-encoding" in headers else 1), EVENTS_LIMIT_BYTES)
        async with self._changed:
            await self._changed.wait_for(lambda: self._left >= wanted)
            self._left -= wanted
        try:
            yield
        finally:
            async with self._changed:
                self._left += wanted
                self._changed.notify_all()


def _media_type(headers: dict[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


async def _read(headers: dict[str, str], receive: _Receive) -> bytes:
    unpack = unpacker(headers.get("content-encoding", "identity"), EVENTS_LIMIT_BYTES, gzip=True)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refusal(400, "disconnected", "", "the client left before the body was complete")
                part = message.get("body", b"")
                size += len(part)
                if size > EVENTS_LIMIT_BYTES:
                    raise too_large(EVENTS_LIMIT_BYTES)
                parts.append(unpack(part))
                if not message.get("more_body", False):
                    break
    except TimeoutError:
        raise Refusal(408, "too_slow", "", f"the body did not arrive within {READ_TIMEOUT_S:g} seconds") from None
    unpack.end()
    return b"".join(parts)
