"""A client of the decision service for scripts and the command line: answers in the service's own types.

with Client() as rapport:
    decision = rapport.personalize("17850", message="Where is my parcel?")
    print(decision.tone, decision.template.text)
    rapport.feedback("17850", decision_id=decision.decision_id, csat=5)
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
import msgspec

from rapport.access.files import read_secret_line
from rapport.client.options import DEFAULT_URL
from rapport.decisions.answers import BatchAnswer, BatchResult, ContextAnswer, EventsAnswer, FeedbackAnswer, Health
from rapport.decisions.record import Decision, SlotValue
from rapport.errors import RequestRefused, ServiceError
from rapport.settings import Settings

__all__ = ["Client"]

T = TypeVar("T")


class Client:
    """Asks one decision service over kept-alive connections. Not for use in several threads at once.

    Args:
        url: the service's address.
        timeout_s: longest wait for an answer, seconds.
        key: an API key or a token; "" in development.
        ca_file: certificates (PEM) to trust the service by; None: the system's.

    Raises:
        OSError, ssl.SSLError: those certificates cannot be read.
    """

    def __init__(
        self, url: str = DEFAULT_URL, *, timeout_s: float = 2.0, key: str = "", ca_file: Path | None = None
    ) -> None:
        self._url = url
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        trust = ssl.create_default_context(cafile=ca_file) if ca_file else True
        self._http = httpx.Client(base_url=url, timeout=timeout_s, trust_env=False, headers=headers, verify=trust)

    @classmethod
    def of(cls, settings: Settings, *, timeout_s: float = 2.0) -> Self:
        """A client of an installation's own service, as its settings say.

        Raises:
            AccessError: the file with the key cannot be read.
        """
        path = settings.service_key_file
        key = read_secret_line(settings.root / path, "RAPPORT_SERVICE_KEY_FILE") if path else ""
        ca_file = settings.root / settings.service_ca_file if settings.service_ca_file else None
        url = settings.service_url or f"{settings.scheme}://{settings.host}:{settings.port}"
        return cls(url, timeout_s=timeout_s, key=key, ca_file=ca_file)

    def personalize(
        self,
        customer_id: str,
        *,
        message: str | None = None,
        channel: str | None = None,
        page: str | None = None,
        locale: str | None = None,
        message_time: str | None = None,
        slots: Mapping[str, SlotValue] | None = None,
    ) -> Decision:
        """The decision on one turn of a conversation.

        Args:
            message_time: the message's event_time (RFC 3339), when it has been given as an event before.
            slots: what the chatbot knows by name, for templates; what is missing comes back in `ask`.

        Raises:
            RequestRefused: the service refuses the request; names the field.
            ServiceError: the service is not reached, or answers what is not a decision.
        """
        session = {
            "message": message,
            "channel": channel,
            "page": page,
            "locale": locale,
            "message_time": message_time,
            "slots": slots,
        }
        given = {name: value for name, value in session.items() if value is not None}
        return self._post("/personalize", {"customer_id": customer_id, "session_data": given}, Decision)

    def personalize_batch(self, customer_ids: Sequence[str]) -> list[BatchResult]:
        """The decisions on up to 500 customers, in their order: of each `decision`, or `error` when it was refused.
        Errors as `personalize`."""
        body = {"turns": [{"customer_id": customer_id} for customer_id in customer_ids]}
        return self._post("/personalize/batch", body, BatchAnswer).results

    def feedback(
        self,
        customer_id: str,
        *,
        decision_id: str | None = None,
        csat: int | None = None,
        nps: int | None = None,
        resolved: bool | None = None,
        resolution_time_s: float | None = None,
        idempotency_key: str | None = None,
    ) -> str:
        """Tell what a customer said of an answer; returns the event's id. Errors as `personalize`."""
        given = {
            "customer_id": customer_id,
            "decision_id": decision_id,
            "csat": csat,
            "nps": nps,
            "resolved": resolved,
            "resolution_time_s": resolution_time_s,
            "idempotency_key": idempotency_key,
        }
        body = {name: value for name, value in given.items() if value is not None}
        return self._post("/feedback", body, FeedbackAnswer).event_id

    def context(self, customer_id: str, *, budget_tokens: int = 300) -> ContextAnswer:
        """What a language model should know of a customer, in at most so many tokens; errors as `personalize`."""
        body = {"customer_id": customer_id, "budget_tokens": budget_tokens}
        return self._post("/chatbots/context", body, ContextAnswer)

    def events(self, topic: str, events: Sequence[Mapping[str, Any]]) -> EventsAnswer:
        """Give events of one topic. Refused ones are in the answer, also when all are; errors as `personalize`."""
        body = msgspec.json.encode({"topic": topic, "events": list(events)})
        response = self._send("POST", "/events", body)
        try:
            return msgspec.json.decode(response.content, type=EventsAnswer)
        except msgspec.DecodeError:
            raise self._refused(response) from None

    def health(self) -> Health:
        """What works and what does not; in production for a client of the admin port. Errors as `personalize`."""
        response = self._send("GET", "/health", None)
        if response.is_error:
            raise self._refused(response)
        return self._decoded(response, Health)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _post(self, path: str, body: object, kind: type[T]) -> T:
        response = self._send("POST", path, msgspec.json.encode(body))
        if response.is_error:
            raise self._refused(response)
        return self._decoded(response, kind)

    def _send(self, method: str, path: str, body: bytes | None) -> httpx.Response:
        headers = {} if body is None else {"Content-Type": "application/json"}
        try:
            return self._http.request(method, path, content=body, headers=headers)
        except httpx.HTTPError as error:
            raise ServiceError(
                f"no answer from the decision service at {self._url}: {error or type(error).__name__}. "
                "Is it up (`rapport status`)?"
            ) from error

    def _decoded(self, response: httpx.Response, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(response.content, type=kind)
        except msgspec.DecodeError:
            raise self._strange(response) from None

    def _refused(self, response: httpx.Response) -> ServiceError:
        try:
            said = msgspec.json.decode(response.content, type=_Refusal).error
        except msgspec.DecodeError:
            return self._strange(response)
        return RequestRefused(response.status_code, said.reason, said.field, said.detail)

    def _strange(self, response: httpx.Response) -> ServiceError:
        return ServiceError(
            f"what answers at {self._url} is not Rapport's decision service: HTTP {response.status_code}, "
            f"{response.text[:80]!r}"
        )


class _Error(msgspec.Struct):
    field: str
    reason: str
    detail: str


class _Refusal(msgspec.Struct):
    error: _Error
