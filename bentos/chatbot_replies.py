"""Platforms that are answered by their own interface: who sent is checked, then replies are posted."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from bentos.body import json_answer, read_body, require_type
from bentos.budget import budget_of
from bentos.chatbots import Chatbots
from rapport.chatbots import Reply, bot_framework, chatwoot
from rapport.chatbots.bot_framework_auth import Connector
from rapport.chatbots.calls import Call
from rapport.chatbots.declared import LoadedBots
from rapport.errors import ServiceError, SignatureRefused
from rapport.intake.bodies import JSON, decode_body
from rapport.intake.refusal import Refusal

__all__ = ["ChatbotReplies"]

LIMIT_BYTES = 512 * 1024
CHATWOOT_WAITS_MS, BOT_FRAMEWORK_WAITS_MS = 5_000, 15_000
"""The platforms' own timeouts of a request to a bot."""
_object = msgspec.json.Decoder(dict[str, Any])


class ChatbotReplies:
    """Handlers of Chatwoot and of the Bot Framework.

    Args:
        running: gives the platforms; raises Refusal while the service starts.
    """

    def __init__(self, running: Callable[[], Chatbots]) -> None:
        self._running = running
        self._connector: tuple[LoadedBots, Connector] | None = None

    async def chatwoot(self, request: Request) -> Response:
        chatbots = self._running()
        loaded = chatbots.loaded
        rules = loaded.bots.chatwoot
        if rules is None:
            raise not_served("chatwoot")
        body = await _body(request)
        secrets = loaded.secrets["chatwoot.secret_file"]
        try:
            chatwoot.check_signature(rules, secrets, dict(request.headers), body, time.time_ns() // 1_000)
        except SignatureRefused as error:
            raise _unsigned(error) from None
        event = decode_body(_object, body)
        asked = chatwoot.asked(event, rules)
        if asked.kind == "feedback":
            taken = await chatbots.feedback(chatwoot.PLATFORM, asked.turn, asked.said)
            return json_answer({"status": "feedback" if taken else "ignored"})
        if asked.kind == "nothing":
            return json_answer({"status": "ignored"})
        reply = await chatbots.decide(
            chatwoot.PLATFORM, asked.turn, budget_of(request, CHATWOOT_WAITS_MS), record=rules.record
        )
        calls = chatwoot.reply_calls(event, reply, rules, loaded.secrets["chatwoot.token_file"][0])
        await _send(chatbots.http, calls, rules.timeout_s)
        return json_answer({"status": "answered" if calls else "ignored"})

    async def bot_framework(self, request: Request) -> Response:
        chatbots = self._running()
        rules = chatbots.loaded.bots.bot_framework
        if rules is None:
            raise not_served("bot_framework")
        activity = decode_body(_object, await _body(request))
        connector = self._connector_of(chatbots)
        try:
            await connector.check(request.headers.get("authorization", ""), activity)
        except SignatureRefused as error:
            raise _unsigned(error) from None
        except ServiceError as error:
            raise _unreachable(str(error)) from None
        asked = bot_framework.asked(activity, rules)
        if asked.kind == "decide":
            budget = budget_of(request, BOT_FRAMEWORK_WAITS_MS)
            reply = await chatbots.decide(bot_framework.PLATFORM, asked.turn, budget, record=rules.record)
            return await _answer(chatbots, connector, activity, reply)
        if asked.kind == "feedback":
            await chatbots.feedback(bot_framework.PLATFORM, asked.turn, asked.said)
        return json_answer({})

    def _connector_of(self, chatbots: Chatbots) -> Connector:
        """The connector of the file as it is now; its keys and tokens are kept until the file changes."""
        loaded = chatbots.loaded
        if self._connector is None or self._connector[0] is not loaded:
            rules = loaded.bots.bot_framework
            assert rules is not None
            password = loaded.secrets.get("bot_framework.password_file", (None,))[0]
            self._connector = loaded, Connector(rules, password, chatbots.http)
        return self._connector[1]


def not_served(name: str) -> Refusal:
    """The refusal of a platform that is not served."""
    return Refusal(404, "unknown_platform", "", f"{name} is not served: chatbots.yaml does not name it")


async def _body(request: Request) -> bytes:
    require_type(request, JSON)
    return await read_body(request, LIMIT_BYTES)


def _unsigned(error: SignatureRefused) -> Refusal:
    return Refusal(401, error.reason, error.field, error.detail)


def _unreachable(detail: str) -> Refusal:
    return Refusal(503, "platform_unavailable", "", detail, {"Retry-After": "2"})


async def _send(http: httpx.AsyncClient, calls: Sequence[Call], timeout_s: float) -> None:
    """Post the calls, one after another.

    Raises:
        Refusal: 503, one of them was not taken: the platform goes on without the bot.
    """
    for call in calls:
        try:
            response = await http.post(call.url, json=call.body, headers=call.headers, timeout=timeout_s)
            response.raise_for_status()
        except httpx.HTTPStatusError as error:
            raise _unreachable(f"the platform answered {error.response.status_code}") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _unreachable(f"the platform does not answer: {type(error).__name__}") from None


async def _answer(chatbots: Chatbots, connector: Connector, activity: Mapping[str, Any], reply: Reply) -> Response:
    rules = chatbots.loaded.bots.bot_framework
    assert rules is not None
    activities = bot_framework.reply_activities(activity, reply, rules)
    if bot_framework.expects_replies(activity):
        return json_answer({"activities": activities})
    try:
        calls = bot_framework.reply_calls(activity, activities, await connector.token())
    except ServiceError as error:
        raise _unreachable(str(error)) from None
    await _send(chatbots.http, calls, rules.timeout_s)
    return json_answer({})
