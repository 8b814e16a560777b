"""Request bodies: JSON only, bounded in size and time, decoded into closed structs."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

from bentos.refusal import Refusal, refusal_of

__all__ = ["decode_body", "read_body", "require_type"]

READ_TIMEOUT_S = 5.0
T = TypeVar("T")


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """The whole body.

    Raises:
        Refusal: 413 when it is larger than `limit_bytes`, 408 when it does not arrive within 5 seconds.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit_bytes:
        raise _too_large(limit_bytes)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            async for part in request.stream():
                size += len(part)
                if size > limit_bytes:
                    raise _too_large(limit_bytes)
                parts.append(part)
    except TimeoutError:
        raise Refusal(408, "too_slow", "", f"the body did not arrive within {READ_TIMEOUT_S:g} seconds") from None
    except ClientDisconnect:
        raise Refusal(400, "disconnected", "", "the client left before the body was complete") from None
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


def decode_body(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """The request in a body.

    Raises:
        Refusal: 400, names the field, its value and what is allowed.
    """
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise refusal_of(error, body) from None


def _too_large(limit_bytes: int) -> Refusal:
    return Refusal(413, "too_large", "", f"the body is larger than {limit_bytes:,} bytes; send less at a time")
