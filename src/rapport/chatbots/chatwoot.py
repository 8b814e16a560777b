"""Chatwoot's agent bots: signed events in, messages out by its interface.

A bot answers what a customer writes while the conversation is pending; once it is open, people answer, and the bot is
silent. Handing over means to open it. What a customer ticks in a survey is feedback.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rapport.chatbots.calls import Call
from rapport.chatbots.declared import Chatwoot
from rapport.chatbots.paths import at, block, first_text, text_of
from rapport.chatbots.reply import Reply
from rapport.chatbots.turn import Asked, Said, make_said, make_turn
from rapport.webhooks import verify
from rapport.webhooks.mapping import Signature

__all__ = ["PLATFORM", "asked", "check_signature", "reply_calls"]

PLATFORM = "chat"
"""As in the webhook mapping of the same name: a message that comes both ways is one event."""
_ATTRIBUTES = (
    "sender.custom_attributes",
    "conversation.meta.sender.custom_attributes",
    "conversation.custom_attributes",
)
"""What is known by name: of the contact, and of this conversation, which counts most."""
_SURVEY = "content_attributes.submitted_values.csat_survey_response"


def check_signature(
    rules: Chatwoot, secrets: Sequence[str], headers: Mapping[str, str], body: bytes, now_us: int
) -> None:
    """Return if Chatwoot has signed the body, not long ago.

    Args:
        secrets: of the bot; any of them may have signed.
        headers: of the request, by their names in small letters.
        now_us: system time, microseconds, UTC.

    Raises:
        SignatureRefused
    """
    signature = Signature(
        header="X-Chatwoot-Signature",
        encoding="hex",
        prefix="sha256=",
        timestamp_header="X-Chatwoot-Timestamp",
        separator=".",
        tolerance_s=rules.tolerance_s,
        secret_file=rules.secret_file,
    )
    verify(signature, [secret.encode() for secret in secrets], headers, body, now_us)


def asked(event: Mapping[str, Any], rules: Chatwoot) -> Asked:
    """What an event asks for."""
    turn = make_turn(
        PLATFORM,
        customer_id=first_text(event, rules.customer),
        message=event.get("content"),
        channel=at(event, "conversation.channel"),
        locale=at(event, "conversation.additional_attributes.browser_language"),
        conversation_id=at(event, "conversation.id"),
        message_id=event.get("id"),
        known={name: value for path in _ATTRIBUTES for name, value in block(event, path).items()},
    )
    kind = event.get("event")
    if kind == "message_created" and _is_to_be_answered(event) and turn.message:
        return Asked(kind="decide", turn=turn)
    said = _said(event)
    if kind == "message_updated" and not said.empty:
        return Asked(kind="feedback", turn=turn, said=said)
    return Asked(kind="nothing", turn=turn)


def reply_calls(event: Mapping[str, Any], reply: Reply, rules: Chatwoot, token: str) -> list[Call]:
    """The calls of Chatwoot's interface: the message, and the hand-over; none when the event does not name its account
    and conversation.

    Args:
        token: the bot's access token.
    """
    account, conversation = at(event, "account.id"), at(event, "conversation.id")
    if not isinstance(account, int) or not isinstance(conversation, int):
        return []
    base = f"{rules.url.rstrip('/')}/api/v1/accounts/{account}/conversations/{conversation}"
    headers = {"api_access_token": token}
    message = {
        "content": reply.text,
        "message_type": "outgoing",
        "private": False,
        "content_attributes": {"rapport": reply.tags},
    }
    calls = [Call(f"{base}/messages", message, headers)] if rules.say else []
    if reply.hand_over:
        calls.append(Call(f"{base}/toggle_status", {"status": "open"}, headers))
    return calls


def _is_to_be_answered(event: Mapping[str, Any]) -> bool:
    """Whether the customer wrote it, to the bot."""
    incoming = event.get("message_type") in ("incoming", 0)
    return incoming and event.get("private") is not True and at(event, "conversation.status") in ("pending", None)


def _said(event: Mapping[str, Any]) -> Said:
    rating = text_of(at(block(event, _SURVEY), "rating"))
    return make_said({"csat": rating})
