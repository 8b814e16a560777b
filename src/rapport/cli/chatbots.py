"""chatbots: the platforms that are served, and the tools that language models get."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rapport.cli.common import Customer, Json, settings_now
from rapport.cli.output import emit, table
from rapport.errors import SettingsError

if TYPE_CHECKING:
    from rapport.client import Client

__all__ = ["chatbots"]

chatbots = typer.Typer(name="chatbots", invoke_without_command=True, no_args_is_help=False)
Pinned = Annotated[
    str, typer.Option("--customer", help="Whom the tools are about; default: the model says.", show_default=False)
]
_PATHS = {
    "rasa": "/chatbots/rasa/webhook",
    "dialogflow_es": "/chatbots/dialogflow/es",
    "dialogflow_cx": "/chatbots/dialogflow/cx",
    "chatwoot": "/chatbots/chatwoot",
    "bot_framework": "/chatbots/bot-framework",
}


@chatbots.callback()
def _group(context: typer.Context) -> None:
    """Chatbot platforms, and the tools of language models.

    Without a command: list.

    Example: rapport chatbots
    """
    if context.invoked_subcommand is None:
        _list(as_json=False)


@chatbots.command("list")
def list_(as_json: Json = False) -> None:
    """List the platforms that chatbots.yaml serves: their address, and where each says who the customer is.

    Example: rapport chatbots list
    """
    _list(as_json=as_json)


@chatbots.command()
def tools(
    style: Annotated[str, typer.Option(help="mcp, openai or anthropic.")] = "mcp",
    customer: Pinned = "",
) -> None:
    """Print the tools' schemas, as the interface of a language model wants them.

    Example: rapport chatbots tools --style openai
    """
    from rapport.chatbots.tools import STYLES, tool_schemas

    found = next((one for one in STYLES if one == style), None)
    if found is None:
        raise SettingsError(f"--style {style!r}: {', '.join(STYLES)} are allowed")
    emit(tool_schemas(found, pinned=bool(customer)))


@chatbots.command()
def context(
    customer: Customer,
    budget: Annotated[int, typer.Option(help="Most tokens of the text, 16 to 4000.")] = 300,
    as_json: Json = False,
) -> None:
    """Print what a language model would be told of a customer.

    Example: rapport chatbots context c-000001 --budget 120
    """
    import msgspec

    with _client() as client:
        answer = client.context(customer, budget_tokens=budget)
    if as_json:
        emit(msgspec.to_builtins(answer))
    else:
        sys.stdout.write(f"{answer.text}\n")


@chatbots.command()
def mcp(
    customer: Pinned = "",
    http: Annotated[int, typer.Option(help="Serve HTTP at this port, path /mcp; default: stdin and stdout.")] = 0,
) -> None:
    """Serve the tools over the Model Context Protocol (needs the extra rapport[mcp]).

    Example: rapport chatbots mcp --customer c-000001
    """
    import asyncio

    try:
        from rapport.chatbots.mcp_server import http_app, run_stdio
    except ModuleNotFoundError as error:
        raise SettingsError(f"the Model Context Protocol is not installed ({error}); install rapport[mcp]") from None
    with _client() as client:
        if not http:
            asyncio.run(run_stdio(client, customer or None))
            return
        import uvicorn

        host = settings_now().host
        uvicorn.run(http_app(client, host, customer or None), host=host, port=http, log_level="warning")


def _client() -> Client:
    from rapport.client import Client

    settings = settings_now()
    return Client(f"http://{settings.host}:{settings.port}")


def _list(*, as_json: bool) -> None:
    from rapport.chatbots import load_bots

    settings = settings_now()
    path = settings.root / (settings.chatbots_file or "chatbots.yaml")
    bots = load_bots(path).bots
    rows: list[dict[str, Any]] = []
    for name, address in _PATHS.items():
        rules = getattr(bots, name)
        rows.append({"platform": name, "path": address, "customer": list(rules.customer) if rules else None})
    if as_json:
        emit({"file": str(path), "platforms": rows})
        return
    shown = [(row["platform"], row["path"], ", ".join(row["customer"] or []) or "not served") for row in rows]
    table(("platform", "path", "customer"), shown, title=str(path))
