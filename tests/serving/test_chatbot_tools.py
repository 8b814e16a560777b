"""The tools of language models: over HTTP, and through the Model Context Protocol's own client on both transports."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import jsonschema
import pytest
from mcp import Client as McpClient
from mcp import StdioServerParameters
from typer.testing import CliRunner

from rapport.chatbots import tokens_at_most
from rapport.chatbots.tools import STYLES, TOOLS, run_tool, tool_schema, tool_schemas
from rapport.cli.main import app
from rapport.client import Client
from rapport.errors import ToolRefused
from rapport.testing.models import NoiseModels
from rapport.testing.project import Project
from rapport.testing.served import Served, free_port, wait_for


def test_the_context_of_a_customer(served: Served, models: NoiseModels) -> None:
    with Client(served.url) as client:
        whole = client.context("ann", budget_tokens=4_000)
        short = client.context("ann", budget_tokens=40)
        nobody = client.context("nobody")
        refused = client.context("cleo")
    assert "Cart left behind" in whole.text and "85123A" in whole.text and "Open tickets: 1" in whole.text
    assert whole.left_out == 0 and whole.text.startswith(short.text) and short.text
    assert short.tokens <= 40 and tokens_at_most(short.text) <= 40 and short.left_out > 0
    assert "Nothing is known" in nobody.text
    assert refused.text == "The customer refused personalization: nothing about them may be used."


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "customer_id"),
        ({"customer_id": "ann", "budget_tokens": 15}, "budget_tokens"),
        ({"customer_id": "ann", "budget_tokens": 4001}, "budget_tokens"),
        ({"customer_id": "ann", "tokens": 20}, "tokens"),
    ],
)
def test_the_context_is_closed(served: Served, body: dict[str, Any], field: str) -> None:
    response = served.http.post("/chatbots/context", json=body)
    assert response.status_code == 400 and response.json()["error"]["field"] == field


def test_a_context_is_no_decision(served: Served, models: NoiseModels) -> None:
    before = served.metric("rapport_decisions_total")
    served.http.post("/chatbots/context", json={"customer_id": "ann"})
    assert served.metric("rapport_decisions_total") == before


def test_schemas_are_closed_in_every_style() -> None:
    for style in STYLES:
        for name, tool in zip(TOOLS, tool_schemas(style), strict=True):
            inner = tool["function"] if style == "openai" else tool
            key = {"openai": "parameters", "anthropic": "input_schema", "mcp": "inputSchema"}[style]
            assert inner["name"] == name and inner["description"]
            jsonschema.Draft202012Validator.check_schema(inner[key])
            assert inner[key]["additionalProperties"] is False and "$ref" not in json.dumps(inner[key])
    assert "customer_id" not in tool_schema("decide", pinned=True)["properties"]
    done = CliRunner().invoke(app, ["chatbots", "tools", "--style", "anthropic"])
    assert json.loads(done.stdout) == tool_schemas("anthropic")


def test_tools_refuse_in_words(served: Served) -> None:
    with Client(served.url) as client:
        for name, arguments, said in (
            ("delete", {}, "no tool"),
            ("decide", {}, "customer_id"),
            ("decide", {"customer_id": "ann", "mood": 1}, "mood"),
            ("decide", {"customer_id": "ann", "locale": "!"}, "locale"),
            ("feedback", {"customer_id": "ann", "csat": 9}, "csat"),
            ("feedback", {"customer_id": "ann"}, "at least one"),
        ):
            with pytest.raises(ToolRefused, match=said):
                run_tool(client, name, arguments)
        with pytest.raises(ToolRefused, match="fixed"):
            run_tool(client, "decide", {"customer_id": "ben"}, "ann")
    with Client("http://127.0.0.1:9") as nobody, pytest.raises(ToolRefused, match="go on without"):
        run_tool(nobody, "decide", {"customer_id": "ann"})


async def conversation(client: McpClient, whom: dict[str, str]) -> list[Any]:
    listed = await client.list_tools()
    context = await client.call_tool("customer_context", {**whom, "budget_tokens": 60})
    decided = await client.call_tool("decide", {**whom, "message": "Where is my parcel?"})
    said = {**whom, "csat": 4, "decision_id": decided.structured_content["decision_id"]}
    return [
        listed,
        context,
        decided,
        await client.call_tool("feedback", said),
        await client.call_tool("feedback", whom),
    ]


def check(found: list[Any], *, pinned: bool) -> None:
    listed, context, decided, thanked, empty = found
    assert [tool.name for tool in listed.tools] == list(TOOLS)
    assert [tool.input_schema for tool in listed.tools] == [tool_schema(name, pinned=pinned) for name in TOOLS]
    assert context.content[0].text == context.structured_content["text"] != ""
    assert context.structured_content["tokens"] <= 60
    assert decided.structured_content["segment"] != "Unknown" and decided.structured_content["text"]
    assert not thanked.is_error and thanked.structured_content["event_id"].startswith("fb-")
    assert empty.is_error and "at least one" in empty.content[0].text


def env_of(served: Served, project: Project) -> dict[str, str]:
    return {**os.environ, "RAPPORT_ROOT": str(project.root), "RAPPORT_PORT": str(served.port)}


def run(what: Callable[[], Coroutine[Any, Any, list[Any]]]) -> list[Any]:
    return asyncio.run(asyncio.wait_for(what(), 60))


def test_over_stdio(served: Served, models: NoiseModels, project: Project) -> None:
    command = ["-m", "rapport.cli", "chatbots", "mcp", "--customer", "ann"]
    server = StdioServerParameters(command=sys.executable, args=command, env=env_of(served, project))

    async def talk() -> list[Any]:
        async with McpClient(server) as client:
            return await conversation(client, {})

    check(run(talk), pinned=True)


def test_over_http(served: Served, models: NoiseModels, project: Project) -> None:
    port = free_port()
    command = [sys.executable, "-m", "rapport.cli", "chatbots", "mcp", "--http", str(port)]
    with subprocess.Popen(command, env=env_of(served, project)) as process:
        url = f"http://127.0.0.1:{port}/mcp"
        try:
            wait_for(lambda: _listens(port), "the server did not come up", 60)

            async def talk() -> list[Any]:
                async with McpClient(url) as client:
                    return await conversation(client, {"customer_id": "ann"})

            check(run(talk), pinned=False)
            elsewhere = httpx.post(url, json={}, headers={"Host": "evil.example"}, trust_env=False)
            assert elsewhere.status_code >= 400
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/", timeout=5, trust_env=False).status_code == 404
    except httpx.HTTPError:
        return False
