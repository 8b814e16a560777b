"""One call of the decision service: within its deadline, sent a second time where that is safe, behind the breaker."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import httpx

from rapport.client.breaker import CircuitBreaker
from rapport.client.options import CallReport, ClientOptions, Outcome, Reporter
from rapport.errors import CircuitOpen, DeadlinePassed, RequestRefused, ServiceError, ServiceUnavailable

__all__ = ["Call", "Exchange"]

log = logging.getLogger("rapport.client")

_PAUSE_S = 0.02
"""Before a second try that nobody said when to make."""
_KEPT_S = 4.0
"""How long an idle connection is kept: shorter than the service keeps it, or calls would meet a closing one."""


@dataclass(frozen=True)
class Call:
    """What is asked.

    Attributes:
        repeatable: it may be sent again also when the service may have done it already.
        answer_bytes: a longer answer is expected than of other calls: so many bytes are read at least.
    """

    operation: str
    body: bytes
    deadline_ms: int
    repeatable: bool
    answer_bytes: int = 0


class _Answer(NamedTuple):
    status: int
    content: bytes
    retry_after_s: float | None


class Exchange:
    """Sends calls of one process, in one event loop."""

    def __init__(
        self, options: ClientOptions, breaker: CircuitBreaker, clock: Callable[[], float], on_call: Reporter | None
    ) -> None:
        self.breaker = breaker
        self._options = options
        self._clock = clock
        self._on_call = on_call
        headers = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "identity"}
        if options.key:
            headers["Authorization"] = f"Bearer {options.key}"
        most = options.max_connections
        limits = httpx.Limits(max_connections=most, max_keepalive_connections=most, keepalive_expiry=_KEPT_S)
        trust = ssl.create_default_context(cafile=options.ca_file) if options.url.startswith("https:") else False
        # No timeout of a single read: the deadline of the whole call bounds them all.
        self._http = httpx.AsyncClient(
            base_url=options.url,
            headers=headers,
            timeout=httpx.Timeout(None),
            limits=limits,
            trust_env=False,
            verify=trust,
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def send(self, call: Call) -> dict[str, Any]:
        """The answer's JSON object.

        Raises:
            RequestRefused, DeadlinePassed, CircuitOpen, ServiceUnavailable, ServiceError: as the clients say.
        """
        began, tries = self._clock(), _Tries()
        outcome: Outcome = "cancelled"
        try:
            answer = await self._permitted(call, tries)
            outcome = "ok"
            return answer
        except ServiceError as error:
            outcome = _outcome_of(error)
            raise
        finally:
            report = (outcome, tries.status, tries.made, self._clock() - began, self.breaker.state)
            self._tell(CallReport(call.operation, *report))

    async def _permitted(self, call: Call, tries: _Tries) -> dict[str, Any]:
        permit = self.breaker.ask()
        if permit is None:
            raise CircuitOpen(
                f"the decision service at {self._options.url} has failed: left alone for {self.breaker.rests_s:.1f} s"
            )
        ok: bool | None = None
        try:
            answer = _read(await self._in_time(call, tries), self._options.url)
            ok = True
            return answer
        except RequestRefused:
            ok = True
            raise
        except ServiceError:
            ok = False
            raise
        finally:
            if ok is None:
                self.breaker.forget(permit)
            else:
                self.breaker.tell(permit, ok=ok)
            if tries.rest_s is not None:
                self.breaker.rest(min(tries.rest_s, self._options.max_rest_s))

    async def _in_time(self, call: Call, tries: _Tries) -> _Answer:
        until = asyncio.get_running_loop().time() + call.deadline_ms / 1_000
        try:
            async with asyncio.timeout_at(until):
                return await self._tried(call, tries, until)
        except TimeoutError:
            raise DeadlinePassed(
                f"the decision service at {self._options.url} has not answered within {call.deadline_ms} ms"
            ) from None

    async def _tried(self, call: Call, tries: _Tries, until: float) -> _Answer:
        loop = asyncio.get_running_loop()
        while True:
            again = self._options.retry and tries.made == 0
            tries.made += 1
            try:
                answer = await self._once(call, until - loop.time())
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                if not (again and (call.repeatable or isinstance(error, httpx.ConnectError))):
                    raise self._unreached(error) from None
                pause_s = _PAUSE_S
            else:
                tries.status = answer.status
                pause_s = _PAUSE_S if answer.retry_after_s is None else answer.retry_after_s
                if answer.status == 429 and answer.retry_after_s is not None:
                    tries.rest_s = answer.retry_after_s
                if answer.status != 503 or not again or not call.repeatable or loop.time() + pause_s >= until:
                    return answer
            await asyncio.sleep(pause_s)

    async def _once(self, call: Call, left_s: float) -> _Answer:
        headers = {"X-Deadline-Ms": str(max(1, int(left_s * 1_000)))}
        most_bytes = max(self._options.max_answer_bytes, call.answer_bytes)
        async with self._http.stream("POST", f"/{call.operation}", content=call.body, headers=headers) as response:
            content = bytearray()
            # Raw: what a proxy has packed is not unpacked, which would have no bound.
            async for part in response.aiter_raw():
                content += part
                if len(content) > most_bytes:
                    raise ServiceError(
                        f"{self._options.url} answers more than {most_bytes:,} bytes: "
                        "it is not Rapport's decision service"
                    )
            return _Answer(response.status_code, bytes(content), _retry_after(response.headers.get("Retry-After")))

    def _unreached(self, error: Exception) -> ServiceUnavailable:
        said = f"{type(error).__name__} {error}".strip()
        return ServiceUnavailable(f"no answer from the decision service at {self._options.url}: {said}")

    def _tell(self, report: CallReport) -> None:
        if self._on_call is None:
            return
        try:
            self._on_call(report)
        except Exception as error:
            log.warning("on_call failed: %s", type(error).__name__)


class _Tries:
    """What has become of a call so far."""

    def __init__(self) -> None:
        self.made = 0
        self.status = 0
        self.rest_s: float | None = None


def _read(answer: _Answer, url: str) -> dict[str, Any]:
    status = answer.status
    try:
        body = json.loads(answer.content)
    except (ValueError, RecursionError):
        body = None
    # 400 with results: all events were refused, and each is told why.
    if isinstance(body, dict) and (status in (200, 202) or (status == 400 and "results" in body)):
        return body
    if 400 <= status < 500:
        error = body.get("error") if isinstance(body, dict) else None
        if isinstance(error, dict):
            raise RequestRefused(status, *(str(error.get(name, "")) for name in ("reason", "field", "detail")))
        if status == 429:
            raise RequestRefused(status, "rate_limited", "", "too many requests")
    if status >= 500:
        raise ServiceUnavailable(f"the decision service at {url} answers HTTP {status}")
    raise ServiceError(f"what answers at {url} is not Rapport's decision service: HTTP {status}")


def _retry_after(header: str | None) -> float | None:
    """Seconds; a date, which the service never sends, is ignored."""
    return float(header) if header and header.isascii() and header.isdigit() and len(header) < 10 else None


def _outcome_of(error: ServiceError) -> Outcome:
    if isinstance(error, RequestRefused):
        return "rate_limited" if error.status == 429 else "refused"
    kinds: tuple[tuple[type[ServiceError], Outcome], ...] = (
        (DeadlinePassed, "deadline"),
        (CircuitOpen, "circuit_open"),
        (ServiceUnavailable, "unavailable"),
    )
    return next((outcome for kind, outcome in kinds if isinstance(error, kind)), "strange")
