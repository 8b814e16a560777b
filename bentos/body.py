"""Request bodies: JSON only, bounded in size and time, packed or not, decoded into closed structs."""

from __future__ import annotations

import asyncio
import zlib
from typing import Protocol, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

from bentos.refusal import Refusal, refusal_of

__all__ = ["decode_body", "read_body", "require_type"]

READ_TIMEOUT_S = 5.0
_GZIP = 16 + zlib.MAX_WBITS
_MAX_MEMBERS = 100
T = TypeVar("T")


async def read_body(request: Request, limit_bytes: int, *, gzip: bool = False) -> bytes:
    """The whole body, unpacked.

    Args:
        request: the request.
        limit_bytes: most bytes, on the way and unpacked.
        gzip: whether it may be packed (`Content-Encoding: gzip`).

    Raises:
        Refusal: 413 when it is larger than `limit_bytes`, 408 when it does not arrive within 5 seconds, 415 when it is
            packed in another way, 400 when what is packed is damaged.
    """
    unpack = _unpacker(request, limit_bytes, gzip=gzip)
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
                parts.append(unpack(part))
    except TimeoutError:
        raise Refusal(408, "too_slow", "", f"the body did not arrive within {READ_TIMEOUT_S:g} seconds") from None
    except ClientDisconnect:
        raise Refusal(400, "disconnected", "", "the client left before the body was complete") from None
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


def decode_body(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """The request in a body.

    Raises:
        Refusal: 400, names the field, its value and what is allowed.
    """
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise refusal_of(error, body) from None


class _Unpacker(Protocol):
    def __call__(self, part: bytes) -> bytes: ...

    def end(self) -> None: ...


class _Plain:
    def __call__(self, part: bytes) -> bytes:
        return part

    def end(self) -> None:
        """Nothing is left."""


class _Gzip:
    """Unpacks gzip part by part, never more than the limit, however much is packed in little."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._room = limit_bytes
        self._members = 0
        self._member = zlib.decompressobj(_GZIP)

    def __call__(self, part: bytes) -> bytes:
        found: list[bytes] = []
        while part:
            if self._member.eof:
                self._next_member()
            try:
                found.append(self._member.decompress(part, self._room + 1))
            except zlib.error as error:
                raise Refusal(400, "bad_gzip", "", f"the body is not gzip: {error}") from None
            self._room -= len(found[-1])
            if self._room < 0:
                raise _too_large(self._limit_bytes)
            part = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        return b"".join(found)

    def end(self) -> None:
        """Refuse what is cut off."""
        if not self._member.eof:
            raise Refusal(400, "bad_gzip", "", "the body is cut off: its gzip has no end")

    def _next_member(self) -> None:
        self._members += 1
        if self._members == _MAX_MEMBERS:
            raise Refusal(400, "bad_gzip", "", f"the body has more than {_MAX_MEMBERS} members of gzip; pack it as one")
        self._member = zlib.decompressobj(_GZIP)


def _unpacker(request: Request, limit_bytes: int, *, gzip: bool) -> _Unpacker:
    given = request.headers.get("content-encoding", "identity").strip().lower()
    if given == "identity":
        return _Plain()
    if given == "gzip" and gzip:
        return _Gzip(limit_bytes)
    allowed = "gzip, or none" if gzip else "none"
    headers = {"Accept-Encoding": "gzip" if gzip else "identity"}
    detail = f"{given[:80]!r} is not unpacked here; allowed: {allowed}"
    raise Refusal(415, "bad_encoding", "Content-Encoding", detail, headers)


def _too_large(limit_bytes: int) -> Refusal:
    return Refusal(413, "too_large", "", f"the body is larger than {limit_bytes:,} bytes; send less at a time")
