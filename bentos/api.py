"""The HTTP routes. Every handler answers JSON and refuses in one shape; none knows how a decision is made."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Receive, Scope, Send

from bentos.access import (
    ADMIN,
    DECIDE,
    DECISIONS,
    EVENTS,
    FEEDBACK,
    METRICS,
    PUBLIC,
    SIGNED,
    Needs,
    caller_of,
    charge,
    let_in,
    mark,
)
from bentos.batch import BATCH_LIMIT_BYTES, PERSONALIZE_LIMIT_BYTES, customers_in, parse_batch
from bentos.body import json_answer, read_body, require_type
from bentos.budget import budget_of
from bentos.chatbot_routes import ChatbotRoutes
from bentos.drain import Drain
from bentos.inference import InferenceRoutes, protocol_refusal
from bentos.metrics import render
from bentos.openapi import openapi_json
from bentos.pages import landing_page, reference_page, swagger_files
from bentos.plain_request import PlainRequest
from bentos.protocol import Hot
from bentos.schemas import FeedbackRequest, PersonalizeRequest
from rapport.decisions.answers import Health, Readiness
from rapport.intake.bodies import (
    EVENTS_LIMIT_BYTES,
    JSON,
    MAX_KEPT_BYTES,
    NDJSON,
    decode_body,
    parse_events,
    parse_lines,
)
from rapport.intake.columns import COLUMNS, parse_columns
from rapport.intake.numbered import BatchNumber
from rapport.intake.refusal import Refusal
from rapport.quiet import log_failure

if TYPE_CHECKING:
    from bentos.runtime import Runtime

__all__ = ["Api", "json_answer"]

FEEDBACK_LIMIT_BYTES = 16 * 1024
MAX_KEY = 256
HOT = ("/personalize",)
"""What is asked at every turn of a conversation."""
PARSERS = {JSON: parse_events, NDJSON: parse_lines, COLUMNS: parse_columns}
"""Of each media type of events, what reads a body."""
STARTING = Health(
    ready=False, status="starting", redis=False, bus=False, policy=False, features_current=False, models={}, problems=[]
)

_logger = logging.getLogger(__name__)
_personalize = msgspec.json.Decoder(PersonalizeRequest)
_feedback = msgspec.json.Decoder(FeedbackRequest)
Handler = Callable[[Request], Awaitable[Response]]


class Api:
    """The routes over one runtime, which the service's start puts in place.

    Attributes:
        drain: how the process ends; None: at once.
        needs: what each (method, path) needs.
        hot: path to what answers a POST to it, without what looks for routes.
        app: all routes, for one port.
        open_app, admin_app: the same for two.
    """

    def __init__(self) -> None:
        self.runtime: Runtime | None = None
        self.drain: Drain | None = None
        self.needs: dict[tuple[str, str], Needs] = {}
        self._chatbots = ChatbotRoutes(lambda: self._running.chatbots)
        self._inference = InferenceRoutes(lambda: self._running.inference, lambda: self.is_ending)
        routes = self._routes()
        self.hot = {route.path: _alone(route.endpoint) for route in routes if route.path in HOT}
        admin = [route for route in routes if self._is_admin(route)]
        assets = Mount("/docs/assets", swagger_files())
        self.app = _application(routes, assets)
        self.admin_app = _application(admin, assets)
        self.open_app = _application([route for route in routes if route not in admin])

    async def main_port(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application of the service's own port."""
        alone = self.runtime is not None and not self.runtime.has_admin_port
        await (self.app if alone else self.open_app)(scope, receive, send)

    def _routes(self) -> list[Route]:
        """All routes, each with what it needs; the hottest first."""
        return [
            self._route("/personalize", self._personalize, "POST", DECIDE),
            self._route("/events", self._events, "POST", EVENTS),
            self._route("/personalize/batch", self._personalize_batch, "POST", DECIDE),
            self._route("/feedback", self._feedback, "POST", FEEDBACK),
            self._route("/webhooks/{source}", self._webhook, "POST", SIGNED),
            *(self._route(*route) for route in self._chatbots.routes()),
            *(self._route(*route) for route in self._inference.routes()),
            self._route("/decisions/{decision_id}", self._decision, "GET", DECISIONS),
            self._route("/livez", self._livez, "GET", PUBLIC),
            self._route("/readyz", self._readyz, "GET", PUBLIC),
            self._route("/health", self._health, "GET", ADMIN),
            self._route("/metrics", self._metrics, "GET", METRICS),
            self._route("/openapi.json", self._openapi, "GET", ADMIN),
            self._route("/docs", self._reference, "GET", ADMIN),
            self._route("/", self._landing, "GET", ADMIN),
        ]

    def _is_admin(self, route: Route) -> bool:
        return any(self.needs[method, route.path].admin for method in route.methods or () if method != "HEAD")

    @property
    def is_ending(self) -> bool:
        """Whether the process was told to end."""
        return self.drain is not None and self.drain.has_begun

    @property
    def _running(self) -> Runtime:
        if self.runtime is None:
            raise Refusal(503, "starting", "", "the service is starting; ask again in a second", {"Retry-After": "1"})
        return self.runtime

    async def _personalize(self, request: Request) -> Response:
        require_type(request, JSON)
        wanted = decode_body(_personalize, await read_body(request, PERSONALIZE_LIMIT_BYTES))
        caller_of(request).require_customers((wanted.customer_id,))
        return json_answer(await self._running.decider.decide(wanted, budget_of(request)))

    async def _personalize_batch(self, request: Request) -> Response:
        require_type(request, JSON)
        turns = parse_batch(await read_body(request, BATCH_LIMIT_BYTES))
        caller_of(request).require_customers(customers_in(turns), "turns")
        charge(self._running.gate, request, len(turns))
        return Response(await self._running.batches.decide(turns, budget_of(request)), media_type=JSON)

    async def _events(self, request: Request) -> Response:
        media_type = require_type(request, *PARSERS)
        intake = self._running.intake
        async with intake.place(budget_of(request).left_s):
            body = await read_body(request, EVENTS_LIMIT_BYTES, gzip=True)
            batch = BatchNumber.of(request.headers, body)
            answer = await intake.take_events(PARSERS[media_type](body), caller_of(request), batch)
        return json_answer(answer, 202 if answer.accepted else 400)

    async def _feedback(self, request: Request) -> Response:
        require_type(request, JSON)
        wanted = decode_body(_feedback, await read_body(request, FEEDBACK_LIMIT_BYTES))
        caller_of(request).require_customers((wanted.customer_id,))
        key = request.headers.get("idempotency-key")
        if key is not None and not 1 <= len(key) <= MAX_KEY:
            raise Refusal(400, "bad_value", "Idempotency-Key", f"{len(key)} characters; 1 to {MAX_KEY} are allowed")
        return json_answer(await self._running.intake.take_feedback(wanted, key), 202)

    async def _webhook(self, request: Request) -> Response:
        webhooks = self._running.webhooks
        source = webhooks.source(request.path_params["source"])
        require_type(request, JSON)
        body = await read_body(request, MAX_KEPT_BYTES)
        return json_answer(await webhooks.take(source, dict(request.headers), body), 202)

    async def _decision(self, request: Request) -> Response:
        found = await self._running.lookup.find(request.path_params["decision_id"], caller_of(request).owns)
        return json_answer(found)

    async def _livez(self, request: Request) -> Response:
        return json_answer({"alive": True})

    async def _readyz(self, request: Request) -> Response:
        """200 once decisions are answered, also degraded ones: a probe that failed with the online store would take
        every chatbot's answers away. `?strict=1`: 503 unless all is well."""
        health = self._health_now() if self.runtime else STARTING
        strict = request.query_params.get("strict")
        if strict not in (None, "1"):
            raise Refusal(400, "bad_value", "strict", f"{strict[:80]!r} is not served; 1 is, or leave it away")
        well = health.status == "ok" if strict else health.ready
        # what is wrong where is the operators' to know
        brief = self.runtime is not None and self.runtime.in_production
        return json_answer(Readiness(health.ready, health.status) if brief else health, 200 if well else 503)

    async def _health(self, request: Request) -> Response:
        return json_answer(self._health_now())

    def _health_now(self) -> Health:
        health = self._running.health()
        return msgspec.structs.replace(health, ready=False, status="stopping") if self.is_ending else health

    async def _metrics(self, request: Request) -> Response:
        return Response(
            render(self._running.metrics, self._running.drift_figures),
            media_type="text/plain; version=0.0.4; charset=utf-8",
        )

    async def _openapi(self, request: Request) -> Response:
        return Response(openapi_json(self.needs), media_type=JSON)

    async def _reference(self, request: Request) -> Response:
        return HTMLResponse(reference_page())

    async def _landing(self, request: Request) -> Response:
        return HTMLResponse(landing_page(self._running.health(), str(request.base_url)))

    def _route(self, path: str, handler: Handler, method: str, needs: Needs) -> Route:
        self.needs[method, path] = needs

        async def guarded(request: Request) -> Response:
            try:
                if needs.scope is not None:
                    let_in(self._running.gate, request, needs)
                response = await handler(request)
            except Refusal as refusal:
                response = _refused(refusal, path)
            except Exception as error:  # the last line
                log_failure(_logger, error, "%s %s failed", method, path)
                failed = Refusal(500, "internal_error", "", "this failed; the service's log says where")
                response = _refused(failed, path)
            mark(request, response)
            if self.runtime is not None:
                self.runtime.metrics.answers[path, response.status_code] += 1
            return response

        return Route(path, guarded, methods=[method])


def _application(routes: list[Route], *more: BaseRoute) -> Starlette:
    """The routes as an application, which refuses everything else."""

    async def elsewhere(scope: Scope, receive: Receive, send: Send) -> None:
        methods = [route.methods or set() for route in routes if route.path_regex.match(scope["path"])]
        allowed = ", ".join(sorted(set().union(*methods)))
        refusal = Refusal(404, "not_found", "", "there is nothing here; docs/http-api.md lists what there is")
        if allowed:
            detail = f"{scope['method'][:20]} is not served here; {allowed} is"
            refusal = Refusal(405, "method_not_allowed", "", detail, {"Allow": allowed})
        await _refused(refusal, scope["path"])(scope, receive, send)

    return Starlette(routes=[*routes, *more, Mount("/", elsewhere)], exception_handlers={HTTPException: _http_error})


def _alone(handler: Handler) -> Hot:
    def answer(scope: Scope, receive: Receive) -> Awaitable[Response]:
        return handler(PlainRequest(scope, receive))

    return answer


def _refused(refusal: Refusal, path: str) -> Response:
    """The refusal in the shape that callers of this path know."""
    body = protocol_refusal(refusal) if f"{path}/".startswith("/v2/") else refusal.body()
    return Response(body, refusal.status, headers=refusal.headers, media_type=JSON)


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    refusal = Refusal(status, "not_found" if status == 404 else "refused", "", "this path is not served")
    return _refused(refusal, request.url.path)
