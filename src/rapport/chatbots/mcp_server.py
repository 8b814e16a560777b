"""The tools as a server of the Model Context Protocol, over stdio or over HTTP; a client of the decision service.

Needs the extra `rapport[mcp]`.
"""

from __future__ import annotations

import asyncio
import threading
from importlib.metadata import version
from typing import Any

import mcp_types as types
import msgspec
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from starlette.applications import Starlette

from rapport.chatbots.tools import run_tool, tool_schemas
from rapport.client import Client
from rapport.errors import ToolRefused

__all__ = ["http_app", "run_stdio", "tool_server"]

MAX_BODY_BYTES = 64 * 1024
_INSTRUCTIONS = (
    "Ask `customer_context` before the first answer and `decide` at each turn; answer in the tone that it gives. "
    "When `hand_over` is true, give the conversation to a person."
)
_READ_ONLY = {"customer_context": True, "decide": False, "feedback": False}


def tool_server(client: Client, customer_id: str | None = None) -> Server[Any]:
    """The server.

    Args:
        client: of the decision service; its calls are made one after another.
        customer_id: whom all tools are about; None: the model names the customer.
    """
    listed = [
        types.Tool(
            name=tool["name"],
            description=tool["description"],
            input_schema=tool["inputSchema"],
            annotations=types.ToolAnnotations(read_only_hint=_READ_ONLY[tool["name"]], open_world_hint=False),
        )
        for tool in tool_schemas("mcp", pinned=customer_id is not None)
    ]
    lock = threading.Lock()

    def call(name: str, arguments: dict[str, Any]) -> types.CallToolResult:
        try:
            with lock:
                found = run_tool(client, name, arguments, customer_id)
        except ToolRefused as error:
            return types.CallToolResult(content=[types.TextContent(text=str(error))], is_error=True)
        text = found["text"] if name == "customer_context" else msgspec.json.encode(found).decode()
        return types.CallToolResult(content=[types.TextContent(text=text)], structured_content=found)

    async def list_tools(context: Any, params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=listed)

    async def call_tool(context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        return await asyncio.to_thread(call, params.name, params.arguments or {})

    return Server(
        "rapport",
        version=version("rapport"),
        instructions=_INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def http_app(client: Client, host: str, customer_id: str | None = None) -> Starlette:
    """The server as an ASGI application with the path /mcp. Of this machine's addresses it takes only requests that
    are meant for them, so that no page of another site reaches it through a browser."""
    return tool_server(client, customer_id).streamable_http_app(
        host=host, stateless_http=True, json_response=True, max_request_body_size=MAX_BODY_BYTES
    )


async def run_stdio(client: Client, customer_id: str | None = None) -> None:
    """Serve stdin and stdout until they end."""
    server = tool_server(client, customer_id)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())
