"""Microsoft's Bot Framework: activities in, activities out.

A bot answers by posting to the connector that the request names (its `serviceUrl`), or, for `deliveryMode`
`expectReplies`, in the answer to the request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from rapport.chatbots.calls import Call
from rapport.chatbots.declared import BotFramework
from rapport.chatbots.paths import block, first_text
from rapport.chatbots.reply import Reply
from rapport.chatbots.turn import Asked, make_said, make_turn

__all__ = ["PLATFORM", "asked", "expects_replies", "reply_activities", "reply_calls"]

PLATFORM = "bot_framework"
FEEDBACK = "rapport.feedback"
"""The name of the event activity whose value is feedback."""


def asked(activity: Mapping[str, Any], rules: BotFramework) -> Asked:
    """What an activity asks for: a message, a decision; the event `rapport.feedback`, feedback; others, nothing."""
    turn = make_turn(
        PLATFORM,
        customer_id=first_text(activity, rules.customer),
        message=activity.get("text"),
        channel=activity.get("channelId"),
        locale=activity.get("locale"),
        conversation_id=block(activity, "conversation").get("id"),
        message_id=activity.get("id"),
        known=block(activity, "value"),
    )
    if activity.get("type") == "message":
        return Asked(kind="decide", turn=turn)
    if activity.get("type") == "event" and activity.get("name") == FEEDBACK:
        return Asked(kind="feedback", turn=turn, said=make_said(block(activity, "value")))
    return Asked(kind="nothing", turn=turn)


def expects_replies(activity: Mapping[str, Any]) -> bool:
    """Whether the answer to the request has the replies."""
    return activity.get("deliveryMode") == "expectReplies"


def reply_activities(activity: Mapping[str, Any], reply: Reply, rules: BotFramework) -> list[dict[str, object]]:
    """The message, with the tags as an entity, and the event that hands over."""
    found: list[dict[str, object]] = []
    if rules.say:
        tags = {"type": "rapport.decision", **reply.tags}
        found.append({**_addressed(activity, "message"), "text": reply.text, "entities": [tags]})
    if reply.hand_over:
        found.append({**_addressed(activity, "event"), "name": "handoff.initiate", "value": dict(reply.tags)})
    return found


def reply_calls(activity: Mapping[str, Any], activities: list[dict[str, object]], token: str) -> list[Call]:
    """The calls of the connector's interface; none when the activity does not say where its conversation is.

    Args:
        activity: verified: its `serviceUrl` is the one that its sender's token names.
        token: the bot's access token.
    """
    service, conversation = activity.get("serviceUrl"), block(activity, "conversation").get("id")
    if not isinstance(service, str) or not isinstance(conversation, str):
        return []
    url = f"{service.rstrip('/')}/v3/conversations/{quote(conversation, safe='')}/activities"
    to = activity.get("id")
    if isinstance(to, str) and to:
        url += f"/{quote(to, safe='')}"
    return [Call(url, one, {"Authorization": f"Bearer {token}"}) for one in activities]


def _addressed(activity: Mapping[str, Any], kind: str) -> dict[str, object]:
    """An activity back to whom this one came from."""
    turned = {"from": "recipient", "recipient": "from", "conversation": "conversation", "replyToId": "id"}
    same = {name: name for name in ("channelId", "serviceUrl", "locale")}
    named = {name: activity[source] for name, source in {**turned, **same}.items() if activity.get(source) is not None}
    return {"type": kind, **named}
