"""Flask: each request has its customer's tags in `flask.g.personalization`, asked for when they are first used.

client = RapportClient(ClientOptions.from_env(deadline_ms=150))
Personalization(client, customer_id=lambda request: session.get("customer_id")).init_app(app)
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flask import Flask, Request, g, request

from rapport.client.blocking import RapportClient
from rapport.client.tags import Scalar, Tags

__all__ = ["LazyTags", "Personalization"]

log = logging.getLogger("rapport.client")


class LazyTags(Mapping[str, Scalar]):
    """Tags that are asked for once, when the first of them is needed; `dict(tags)` is all of them."""

    def __init__(self, ask: Callable[[], Tags]) -> None:
        self._ask = ask
        self._tags: Tags | None = None

    def __getitem__(self, name: str) -> Scalar:
        return self._found()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found())

    def __len__(self) -> int:
        return len(self._found())

    def _found(self) -> Tags:
        if self._tags is None:
            self._tags = self._ask()
        return self._tags


class Personalization:
    """The extension. A request that uses no tags costs nothing; one that does waits at most the client's deadline.

    Args:
        customer_id: who a request is of, from what the application itself has verified; None: nobody, so the defaults.
        session_data: what else is known of the turn, as `{"page": request.path}`.
    """

    def __init__(
        self,
        client: RapportClient,
        *,
        customer_id: Callable[[Request], str | None],
        session_data: Callable[[Request], Mapping[str, Any]] | None = None,
    ) -> None:
        self._client = client
        self._customer_id = customer_id
        self._session_data = session_data

    def init_app(self, app: Flask) -> None:
        app.extensions["rapport"] = self
        app.before_request(self._prepare)

    def _prepare(self) -> None:
        g.personalization = LazyTags(self._ask)

    def _ask(self) -> Tags:
        try:
            customer_id = self._customer_id(request)
            session_data = self._session_data(request) if self._session_data and customer_id else None
        except Exception as error:  # what finds the customer is the application's; its page comes first
            log.warning("no personalization: customer_id or session_data failed: %s", type(error).__name__)
            customer_id, session_data = None, None
        return self._client.get_personalization_tags(customer_id or "", session_data)
