"""Clients of the decision service, for chatbots and shops in Python.

`RapportClient` and `AsyncRapportClient` belong in front of customers: they answer within their deadline, whatever
happens, and need nothing beyond httpx. `Client` is for scripts and the command line; it decodes answers into the
service's own types, and is only loaded when it is asked for.

client = RapportClient(ClientOptions(deadline_ms=150, defaults={"tone": "friendly"}))
tags = client.get_personalization_tags("17850", {"message": "Where is my parcel?"})
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapport.client.asynchronous import AsyncRapportClient
from rapport.client.blocking import RapportClient
from rapport.client.breaker import BreakerOptions, CircuitBreaker
from rapport.client.options import DEFAULT_URL, CallReport, ClientOptions
from rapport.client.tags import Scalar, Tags, tags_of

if TYPE_CHECKING:
    from rapport.client.service import Client

__all__ = [
    "DEFAULT_URL",
    "AsyncRapportClient",
    "BreakerOptions",
    "CallReport",
    "CircuitBreaker",
    "Client",
    "ClientOptions",
    "RapportClient",
    "Scalar",
    "Tags",
    "tags_of",
]


def __getattr__(name: str) -> Any:
    if name == "Client":
        from rapport.client.service import Client

        return Client
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
