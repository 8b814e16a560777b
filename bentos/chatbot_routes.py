"""The routes of chatbot platforms: each answers in its platform's own shape.

What a platform sends is open: fields that we do not know are let be, and what cannot be used is left out of the
decision. Only what is no request of the platform at all is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import ModuleType
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from bentos.access import DECIDE, PLATFORM, SIGNED, Needs, caller_of
from bentos.body import json_answer, read_body, require_type
from bentos.budget import Budget, budget_of
from bentos.chatbot_replies import ChatbotReplies, not_served
from bentos.chatbots import Chatbots
from bentos.schemas import ContextRequest
from rapport.chatbots import Asked, dialogflow_cx, dialogflow_es, rasa
from rapport.chatbots.declared import Rasa
from rapport.intake.bodies import JSON, decode_body
from rapport.intake.refusal import Refusal
from rapport.quiet import log_failure

__all__ = ["ChatbotRoutes"]

RASA_LIMIT_BYTES = 4 * 1024 * 1024
"""A tracker has all events of its conversation, and the domain comes with it."""
DIALOGFLOW_LIMIT_BYTES = 512 * 1024
CONTEXT_LIMIT_BYTES = 64 * 1024
DIALOGFLOW_WAITS_MS = 5_000
"""Dialogflow's own timeout of a webhook."""
Handler = Callable[[Request], Awaitable[Response]]
T = TypeVar("T")
_logger = logging.getLogger(__name__)
_any = msgspec.json.Decoder()
_object = msgspec.json.Decoder(dict[str, Any])
_context = msgspec.json.Decoder(ContextRequest)
_NOT_JSON = {"description": "Bad Request", "status": 400, "message": "Failed when parsing body as json"}
_NO_BODY = {"error": "Invalid body request"}


class ChatbotRoutes:
    """Handlers over the platforms that run.

    Args:
        running: gives them; raises Refusal while the service starts.
    """

    def __init__(self, running: Callable[[], Chatbots]) -> None:
        self._running = running
        self._replies = ChatbotReplies(running)

    def routes(self) -> list[tuple[str, Handler, str, Needs]]:
        """Path, handler, method and needs of each route."""
        return [
            ("/chatbots/rasa/webhook", self._rasa, "POST", PLATFORM),
            ("/chatbots/rasa/actions", self._rasa_actions, "GET", PLATFORM),
            ("/chatbots/rasa/health", self._rasa_health, "GET", PLATFORM),
            ("/chatbots/dialogflow/es", partial(self._dialogflow, dialogflow_es), "POST", PLATFORM),
            ("/chatbots/dialogflow/cx", partial(self._dialogflow, dialogflow_cx), "POST", PLATFORM),
            ("/chatbots/chatwoot", self._replies.chatwoot, "POST", SIGNED),
            ("/chatbots/bot-framework", self._replies.bot_framework, "POST", SIGNED),
            ("/chatbots/context", self._context, "POST", DECIDE),
        ]

    async def _rasa(self, request: Request) -> Response:
        chatbots = self._running()
        rules = _served(chatbots.loaded.bots.rasa, "rasa")
        require_type(request, JSON)
        budget = budget_of(request)
        body = await read_body(request, RASA_LIMIT_BYTES, deflate=True)
        try:
            call = _any.decode(body) if body else None
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return json_answer(_NOT_JSON, 400)
        if call is None:
            return json_answer(_NO_BODY, 400)
        broken = rasa.what_is_broken(call)
        if broken:
            return json_answer({"error": broken, "request_body": call}, 422)
        try:
            return await _rasa_answer(chatbots, call, rules, budget)
        except Refusal as refusal:
            return json_answer(rasa.rejection(call["next_action"], refusal.detail), 400)
        except Exception as error:  # Rasa is told in the shape that it knows
            log_failure(_logger, error, "an action of Rasa failed")
            return json_answer({"error": type(error).__name__, "request_body": call}, 500)

    async def _rasa_actions(self, request: Request) -> Response:
        _served(self._running().loaded.bots.rasa, "rasa")
        return json_answer([{"name": name} for name in rasa.ACTIONS])

    async def _rasa_health(self, request: Request) -> Response:
        _served(self._running().loaded.bots.rasa, "rasa")
        return json_answer({"status": "ok"})

    async def _dialogflow(self, platform: ModuleType, request: Request) -> Response:
        """Of ES or CX, which differ in where things are."""
        chatbots = self._running()
        rules = _served(getattr(chatbots.loaded.bots, platform.PLATFORM), platform.PLATFORM)
        require_type(request, JSON)
        payload = decode_body(_object, await read_body(request, DIALOGFLOW_LIMIT_BYTES))
        asked: Asked = platform.asked(payload, rules)
        if asked.kind == "feedback":
            await chatbots.feedback(platform.PLATFORM, asked.turn, asked.said)
            return json_answer(platform.thanks_answer())
        budget = budget_of(request, DIALOGFLOW_WAITS_MS)
        reply = await chatbots.decide(platform.PLATFORM, asked.turn, budget, record=rules.record)
        return json_answer(platform.reply_answer(payload, reply, rules))

    async def _context(self, request: Request) -> Response:
        require_type(request, JSON)
        wanted = decode_body(_context, await read_body(request, CONTEXT_LIMIT_BYTES))
        caller_of(request).require_customers((wanted.customer_id,))
        return json_answer(await self._running().context(wanted, budget_of(request)))


async def _rasa_answer(chatbots: Chatbots, call: Mapping[str, Any], rules: Rasa, budget: Budget) -> Response:
    if not call.get("next_action"):
        return json_answer(None)
    asked = rasa.asked(call, rules)
    if asked is None:
        return json_answer(rasa.unknown_action(call["next_action"]), 404)
    if asked.kind == "feedback":
        if not await chatbots.feedback(rasa.PLATFORM, asked.turn, asked.said):
            return json_answer(rasa.rejection(rasa.FEEDBACK, rasa.NOTHING_SAID), 400)
        return json_answer(rasa.feedback_answer(call))
    reply = await chatbots.decide(rasa.PLATFORM, asked.turn, budget, record=rules.record)
    return json_answer(rasa.reply_answer(call, reply, rules))


def _served(rules: T | None, name: str) -> T:
    if rules is None:
        raise not_served(name)
    return rules
