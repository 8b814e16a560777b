"""What each route needs, and letting requests through that have it.

A route says what it needs where it is registered; the gate, the two ports and the OpenAPI document follow from that.
"""

from __future__ import annotations

from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from rapport.access import Caller, Gate

__all__ = [
    "ADMIN",
    "DECIDE",
    "DECISIONS",
    "EVENTS",
    "FEEDBACK",
    "INFER",
    "METRICS",
    "PLATFORM",
    "PUBLIC",
    "SIGNED",
    "Needs",
    "caller_of",
    "charge",
    "let_in",
    "mark",
]

_CALLER = "rapport.caller"
_HEADERS = "rapport.headers"


class Needs(NamedTuple):
    """What a route needs.

    Attributes:
        scope: of the caller; None: nobody is asked for a key.
        admin: whether it is served at the admin port.
        whole: whether it is for callers of the whole installation, for its requests do not say plainly whose
            customers they speak of.
    """

    scope: str | None
    admin: bool = False
    whole: bool = False


DECIDE = Needs("decide")
EVENTS = Needs("events:write")
FEEDBACK = Needs("feedback:write")
DECISIONS = Needs("decisions:read")
INFER = Needs("models:infer")
METRICS = Needs("metrics:read", admin=True)
ADMIN = Needs("admin", admin=True)
PLATFORM = Needs("decide", whole=True)
"""A chatbot platform's own form of a request."""
SIGNED = Needs(None)
"""The handler checks the sender's signature."""
PUBLIC = Needs(None)


def let_in(gate: Gate, request: Request, needs: Needs) -> None:
    """Return if the request may go on; `caller_of` says who sent it.

    Raises:
        Refusal: 401, 403, 429.
    """
    if needs.scope is None:
        return
    # a browser at the admin port can show a page, so it may ask its user for a key
    basic = needs.admin and request.method == "GET"
    admitted = gate.admit(request.headers.get("authorization"), needs.scope, basic=basic)
    if needs.whole:
        admitted.caller.require_whole(request.url.path)
    request.scope[_CALLER] = admitted.caller
    request.scope[_HEADERS] = admitted.headers


def charge(gate: Gate, request: Request, count: int) -> None:
    """Count a request that was let in as `count` requests in all.

    Raises:
        Refusal: 429; 400 when the caller may never send so many at once.
    """
    if count > 1:
        request.scope[_HEADERS] = gate.charge(caller_of(request), count)


def mark(request: Request, response: Response) -> None:
    """Tell the caller in the answer what is left of its rate."""
    for name, value in request.scope.get(_HEADERS, ()):
        response.headers[name] = value


def caller_of(request: Request) -> Caller:
    """Who sent a request that was let in.

    Raises:
        KeyError: its route needs no caller, so it has none.
    """
    caller: Caller = request.scope[_CALLER]
    return caller
