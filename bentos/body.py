"""Bodies: requests' are JSON only, bounded in size and time, packed or not; answers' are JSON."""

from __future__ import annotations

from contextlib import nullcontext

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive

from bentos.budget import ARRIVED
from bentos.plain_request import JsonAnswer
from bentos.shared_timeout import SharedTimeout
from rapport.intake.packing import Unpacker, too_large, unpacker
from rapport.intake.refusal import Refusal

__all__ = ["json_answer", "read_body", "require_type"]

READ_TIMEOUT_S = 5.0
_in_time = SharedTimeout(READ_TIMEOUT_S)
_encoder = msgspec.json.Encoder()


def json_answer(value: object, status: int = 200) -> Response:
    return JsonAnswer(_encoder.encode(value), status)


async def read_body(request: Request, limit_bytes: int, *, gzip: bool = False, deflate: bool = False) -> bytes:
    """The whole body, unpacked.

    Args:
        request: the request.
        limit_bytes: most bytes, on the way and unpacked.
        gzip, deflate: how it may be packed (`Content-Encoding`).

    Raises:
        Refusal: 413 when it is larger than `limit_bytes`, 408 when it does not arrive within 5 seconds, 415 when it is
            packed in another way, 400 when what is packed is damaged.
    """
    headers = request.headers
    unpack = unpacker(headers.get("content-encoding", "identity"), limit_bytes, gzip=gzip, deflate=deflate)
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit_bytes:
        raise too_large(limit_bytes)
    try:
        # there is nothing to wait for when all of it has arrived
        with nullcontext() if ARRIVED in request.scope.get("state", ()) else _in_time():
            return await _whole(request.receive, unpack, limit_bytes)
    except TimeoutError:
        raise Refusal(408, "too_slow", "", f"the body did not arrive within {READ_TIMEOUT_S:g} seconds") from None


async def _whole(receive: Receive, unpack: Unpacker, limit_bytes: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(400, "disconnected", "", "the client left before the body was complete")
        part = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(part)
        if size > limit_bytes:
            raise too_large(limit_bytes)
        parts.append(unpack(part))
    unpack.end()
    return b"".join(parts)


def require_type(request: Request, *allowed: str) -> str:
    """The body's media type, one of `allowed`.

    Forms and plain text are refused because a browser sends them to any address without asking.

    Raises:
        Refusal: 415.
    """
    given = request.headers.get("content-type", "")
    media_type = given.partition(";")[0].strip().lower()
    if media_type not in allowed:
        raise Refusal(
            415, "bad_media_type", "", f"Content-Type {given[:80]!r} is not served; send {' or '.join(allowed)}"
        )
    return media_type
