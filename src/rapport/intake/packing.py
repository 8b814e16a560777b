"""Packed bodies: unpacked part by part, never to more than is allowed."""

from __future__ import annotations

import zlib
from typing import Protocol

from rapport.intake.refusal import Refusal

__all__ = ["Unpacker", "too_large", "unpacker"]

_GZIP = 16 + zlib.MAX_WBITS
_MAX_MEMBERS = 100


class Unpacker(Protocol):
    def __call__(self, part: bytes) -> bytes: ...

    def end(self) -> None: ...


def unpacker(encoding: str, limit_bytes: int, *, gzip: bool = False, deflate: bool = False) -> Unpacker:
    """What unpacks a body of a `Content-Encoding`.

    Args:
        encoding: the header's text; "identity" without one.
        limit_bytes: most bytes, unpacked.
        gzip, deflate: how it may be packed.

    Raises:
        Refusal: 415.
    """
    given = encoding.strip().lower()
    if given == "identity":
        return _Plain()
    if given == "gzip" and gzip:
        return _Gzip(limit_bytes)
    if given == "deflate" and deflate:
        return _Deflate(limit_bytes)
    served = [name for name, allowed in (("gzip", gzip), ("deflate", deflate)) if allowed]
    headers = {"Accept-Encoding": ", ".join(served) or "identity"}
    detail = f"{given[:80]!r} is not unpacked here; allowed: {', or '.join([*served, 'none'])}"
    raise Refusal(415, "bad_encoding", "Content-Encoding", detail, headers)


def too_large(limit_bytes: int) -> Refusal:
    """The refusal of a body of more bytes."""
    return Refusal(413, "too_large", "", f"the body is larger than {limit_bytes:,} bytes; send less at a time")


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
                raise too_large(self._limit_bytes)
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


class _Deflate:
    """Unpacks zlib's format (what HTTP calls deflate), never more than the limit."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._room = limit_bytes
        self._stream = zlib.decompressobj()

    def __call__(self, part: bytes) -> bytes:
        try:
            found = self._stream.decompress(part, self._room + 1)
        except zlib.error as error:
            raise Refusal(400, "bad_deflate", "", f"the body is not deflated: {error}") from None
        self._room -= len(found)
        if self._room < 0:
            raise too_large(self._limit_bytes)
        return found

    def end(self) -> None:
        """Refuse what is cut off, and what follows the end."""
        if not self._stream.eof or self._stream.unused_data:
            raise Refusal(400, "bad_deflate", "", "the body does not end where its deflated data does")
