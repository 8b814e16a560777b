"""A request and an answer with no more to them than a decision needs: Starlette's take as long as the policy."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope

__all__ = ["JsonAnswer", "PlainRequest"]

_JSON = (b"content-type", b"application/json")


class _Headers(dict[str, str]):
    """A request's headers by their names in lower case."""

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        return super().get(name.lower(), default)


class PlainRequest(Request):
    """A request whose headers are read once."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self._receive = receive
        # of one that is there twice the first counts, as for Starlette
        given = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in reversed(scope["headers"])]
        self._plain = _Headers(given)

    @property
    def headers(self) -> _Headers:  # type: ignore[override]
        return self._plain


class JsonAnswer(Response):
    """An answer in JSON, encoded."""

    def __init__(self, body: bytes, status: int) -> None:
        self.status_code = status
        self.background = None
        self.body = body
        self.raw_headers = [(b"content-length", b"%d" % len(body)), _JSON]
