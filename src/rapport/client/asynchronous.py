"""The client for asyncio."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from rapport.client.breaker import CircuitBreaker, CircuitState
from rapport.client.exchange import Call, Exchange
from rapport.client.options import ClientOptions, Reporter
from rapport.client.tags import Tags, tags_of
from rapport.errors import RequestRefused, ServiceError

__all__ = ["AsyncRapportClient", "log_failure"]

_DECISION_BYTES = 16_384
"""Room for one decision of a batch."""
log = logging.getLogger("rapport.client")


class AsyncRapportClient:
    """Asks one decision service, in one event loop. Close it with `aclose`, or use it with `async with`.

    Args:
        on_call: is told of each call, at once and in the event loop: it has to be quick.
        clock: seconds that only grow, for the breaker and the times that are reported.

    Raises:
        OSError, ssl.SSLError: the certificates of `options.ca_file` cannot be read.
    """

    def __init__(
        self,
        options: ClientOptions | None = None,
        *,
        on_call: Reporter | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.options = options or ClientOptions()
        self._exchange = Exchange(self.options, CircuitBreaker(self.options.breaker, clock), clock, on_call)

    @property
    def circuit(self) -> CircuitState:
        return self._exchange.breaker.state

    async def get_personalization_tags(self, customer_id: str, session_data: Mapping[str, Any] | None = None) -> Tags:
        """The tags of a decision, over the defaults; the defaults alone when anything fails. Never raises.

        An empty customer id is nobody's: the defaults, without a call.
        """
        tags: Tags = dict(self.options.defaults)
        if not customer_id:
            return tags
        try:
            return tags | tags_of(await self.decide(customer_id, session_data))
        except Exception as error:  # the caller's page comes first, whatever this is
            log_failure(error)
            return tags

    async def decide(
        self, customer_id: str, session_data: Mapping[str, Any] | None = None, *, deadline_ms: int | None = None
    ) -> dict[str, Any]:
        """The decision, as docs/http-api.md describes it.

        It is sent a second time where the first did not arrive, was cut off or was answered with 503, while there is
        time: a decision changes nothing, and at worst is logged twice.

        Args:
            session_data: `message`, `channel`, `page`, `locale`, `slots`, …; what is None is not sent. Times, decimals
                and UUIDs may be given as such.

        Raises:
            RequestRefused: the service refuses the request; names the field. With status 429: too many requests.
            DeadlinePassed: no answer within the deadline.
            CircuitOpen: it failed too often and is left alone.
            ServiceUnavailable: it is not reached, cuts off, or answers 5xx. The two above are of this kind, too.
            ServiceError: what answers is not the decision service.
            TypeError, ValueError: `session_data` is not JSON.
        """
        body = _json({"customer_id": customer_id, "session_data": _given(session_data or {})})
        return await self._send("personalize", body, deadline_ms, repeatable=True)

    async def decide_batch(
        self, turns: Sequence[tuple[str, Mapping[str, Any] | None]], *, deadline_ms: int = 5_000
    ) -> list[dict[str, Any]]:
        """Decide up to 500 turns in one call: of each, in their order, `{"decision": …}`, or `{"error": …}` with
        `field`, `reason` and `detail` when the turn was refused. Errors as `decide`, and sent a second time as there.

        Args:
            turns: customer id and `session_data`, as of `decide`.
        """
        asked = [{"customer_id": customer_id, "session_data": _given(session or {})} for customer_id, session in turns]
        body = _json({"turns": asked})
        call = Call("personalize/batch", body, deadline_ms, True, answer_bytes=len(turns) * _DECISION_BYTES)
        results = (await self._exchange.send(call)).get("results")
        if not isinstance(results, list) or len(results) != len(turns):
            raise ServiceError(f"what answers at {self.options.url} gives no result for each turn")
        return results

    async def send_events(
        self, topic: str, events: Sequence[Mapping[str, Any]], *, deadline_ms: int = 2_000
    ) -> dict[str, Any]:
        """Give events of one topic; the answer says of each whether it was accepted. Errors as `decide`.

        They are sent a second time only if each has its `event_id`, by which it counts once.
        """
        repeatable = all(event.get("event_id") for event in events)
        body = _json({"topic": topic, "events": list(events)})
        return await self._send("events", body, deadline_ms, repeatable=repeatable)

    async def feedback(self, customer_id: str, *, deadline_ms: int = 2_000, **said: Any) -> str:
        """Tell what a customer said of an answer (`csat`, `nps`, `resolved`, `decision_id`, …); the event's id.

        It is sent a second time only with an `idempotency_key`. Errors as `decide`.
        """
        body = _json({"customer_id": customer_id, **_given(said)})
        answer = await self._send("feedback", body, deadline_ms, repeatable=bool(said.get("idempotency_key")))
        return str(answer.get("event_id", ""))

    async def aclose(self) -> None:
        await self._exchange.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _send(self, operation: str, body: bytes, deadline_ms: int | None, *, repeatable: bool) -> dict[str, Any]:
        wait_ms = self.options.deadline_ms if deadline_ms is None else deadline_ms
        return await self._exchange.send(Call(operation, body, wait_ms, repeatable))


def log_failure(error: Exception) -> None:
    """Say why there are no tags, without a word of the customer: what a refusal quotes is left out."""
    if isinstance(error, RequestRefused):
        said = f"refused with {error.status} {error.reason} {error.field}"
    elif isinstance(error, ServiceError):
        said = str(error)
    else:
        said = type(error).__name__
    log.info("no personalization: %s", said)


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _json(value: object) -> bytes:
    return json.dumps(value, allow_nan=False, separators=(",", ":"), default=_plain).encode()


def _plain(value: object) -> str:
    """Times, exact numbers and ids as the service reads them."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal | UUID):
        return str(value)
    raise TypeError(f"a {type(value).__name__} is not JSON")
