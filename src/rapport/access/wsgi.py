"""The gate in front of a small WSGI application."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from rapport.access.gate import Gate
from rapport.intake.refusal import Refusal

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["guarded"]


def guarded(app: WSGIApplication, gate: Gate, scope: str) -> WSGIApplication:
    """The application, for those who have the scope. Its files are looked at with each request."""
    lock = threading.Lock()

    def admitting(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            with lock:
                gate.refresh()
                gate.admit(environ.get("HTTP_AUTHORIZATION"), scope)
        except Refusal as refusal:
            headers = [("Content-Type", "application/json"), *refusal.headers.items()]
            start_response(f"{refusal.status} {HTTPStatus(refusal.status).phrase}", headers)
            return [refusal.body()]
        return app(environ, start_response)

    return admitting
