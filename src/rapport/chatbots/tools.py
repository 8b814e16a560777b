"""The tools that a language model gets: a customer's context, a decision, feedback. Closed schemas, run by a client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from rapport.chatbots.context import LEAST_TOKENS, MOST_TOKENS
from rapport.chatbots.reply import reply_of
from rapport.client import Client
from rapport.errors import RapportError, RequestRefused, ToolRefused

__all__ = ["STYLES", "TOOLS", "Style", "run_tool", "tool_schema", "tool_schemas"]

Style = Literal["mcp", "openai", "anthropic"]
STYLES: tuple[Style, ...] = ("mcp", "openai", "anthropic")
CustomerId = Annotated[str, Meta(min_length=1, max_length=128, description="The shop's own id of the customer.")]
_CUSTOMER = "customer_id"


class _Arguments(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    customer_id: CustomerId


class _Context(_Arguments, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of the customer, as short lines, the most useful first. Call it once, before the first answer."""

    budget_tokens: Annotated[
        int, Meta(ge=LEAST_TOKENS, le=MOST_TOKENS, description="Most tokens that the text may have.")
    ] = 300


class _Decide(_Arguments, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to answer the customer now: tone, a text to go by, what to do next, what to ask for. Call it at each turn
    with what the customer has just written."""

    message: Annotated[str, Meta(max_length=4_000, description="What the customer has just written.")] | None = None
    channel: Annotated[str, Meta(max_length=64, description="web, app, whatsapp, …")] | None = None
    page: Annotated[str, Meta(max_length=256, description="Where the customer is looking.")] | None = None
    locale: Annotated[str, Meta(max_length=35, description="BCP 47, as de-AT.")] | None = None


class _Feedback(_Arguments, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the customer said of an answer: give at least one of csat, nps and resolved. Only what they have said."""

    decision_id: Annotated[str, Meta(max_length=128, description="The decision that the answer came from.")] | None = (
        None
    )
    csat: Annotated[int, Meta(ge=1, le=5, description="1 (bad) to 5 (good).")] | None = None
    nps: Annotated[int, Meta(ge=0, le=10, description="Would recommend: 0 to 10.")] | None = None
    resolved: Annotated[bool, Meta(description="Whether the question was answered.")] | None = None


TOOLS: Mapping[str, type[_Arguments]] = {"customer_context": _Context, "decide": _Decide, "feedback": _Feedback}


def tool_schema(name: str, *, pinned: bool = False) -> dict[str, Any]:
    """The JSON Schema of a tool's arguments, closed and without references.

    Args:
        pinned: whether the customer is fixed by who runs the tools, and no argument.
    """
    kind = TOOLS[name]
    schema = msgspec.json.schema_components([kind])[1][kind.__name__]
    properties = {key: value for key, value in schema["properties"].items() if not (pinned and key == _CUSTOMER)}
    required = [key for key in schema["required"] if key in properties]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def tool_schemas(style: Style, *, pinned: bool = False) -> list[dict[str, Any]]:
    """All tools, as MCP, OpenAI's or Anthropic's interface has them."""
    return [_styled(style, name, _said(name), tool_schema(name, pinned=pinned)) for name in TOOLS]


def run_tool(client: Client, name: str, arguments: Mapping[str, Any], customer_id: str | None = None) -> dict[str, Any]:
    """Run a tool.

    Args:
        arguments: as the model gave them.
        customer_id: the customer, when it is fixed; then arguments that name one are refused.

    Raises:
        ToolRefused: no such tool, wrong arguments, or the decision service does not answer.
    """
    if name not in TOOLS:
        raise ToolRefused(f"there is no tool {name[:80]!r}; there are {', '.join(TOOLS)}")
    if customer_id is not None:
        if _CUSTOMER in arguments:
            raise ToolRefused("customer_id is fixed here; leave it out")
        arguments = {**arguments, _CUSTOMER: customer_id}
    try:
        return _run(client, msgspec.convert(dict(arguments), TOOLS[name]))
    except (msgspec.ValidationError, RequestRefused) as error:
        raise ToolRefused(f"{name}: {error}") from None
    except RapportError:
        raise ToolRefused(f"{name}: the decision service does not answer; go on without it") from None


def _run(client: Client, given: _Arguments) -> dict[str, Any]:
    if isinstance(given, _Context):
        context = client.context(given.customer_id, budget_tokens=given.budget_tokens)
        return {"text": context.text, "tokens": context.tokens, "left_out": context.left_out}
    if isinstance(given, _Decide):
        decision = client.personalize(
            given.customer_id,
            message=given.message,
            channel=given.channel,
            page=given.page,
            locale=given.locale,
        )
        reply = reply_of(decision)
        return {"text": reply.text, **reply.tags}
    assert isinstance(given, _Feedback)
    event_id = client.feedback(
        given.customer_id, decision_id=given.decision_id, csat=given.csat, nps=given.nps, resolved=given.resolved
    )
    return {"event_id": event_id}


def _said(name: str) -> str:
    return " ".join((TOOLS[name].__doc__ or "").split())


def _styled(style: Style, name: str, said: str, schema: dict[str, Any]) -> dict[str, Any]:
    if style == "openai":
        return {"type": "function", "function": {"name": name, "description": said, "parameters": schema}}
    return {"name": name, "description": said, "input_schema" if style == "anthropic" else "inputSchema": schema}
