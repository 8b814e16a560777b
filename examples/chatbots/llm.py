"""A language model's side of a conversation, by hand: what it would call over the Model Context Protocol, and what it
would be told. A model puts the words together; here they are the tools' own."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

from mcp import Client, StdioServerParameters

from examples.chatbots.stage import WORDS, Line, main, turn

BUDGET = 120


def play(url: str, customer: str) -> Iterator[Line]:
    yield from asyncio.run(_talk(url, customer))


async def _talk(url: str, customer: str) -> list[Line]:
    env = {**os.environ, "RAPPORT_HOST": urlsplit(url).hostname or "", "RAPPORT_PORT": str(urlsplit(url).port)}
    command = ["-m", "rapport.cli", "chatbots", "mcp", "--customer", customer]
    lines: list[Line] = []
    async with Client(StdioServerParameters(command=sys.executable, args=command, env=env)) as client:
        context = await client.call_tool("customer_context", {"budget_tokens": BUDGET})
        lines.append(f"tool      customer_context, {BUDGET} tokens at most:")
        lines += [f"          {line}" for line in context.structured_content["text"].split("\n")]
        for words in WORDS:
            told = (await client.call_tool("decide", {"message": words, "channel": "web"})).structured_content
            lines += turn(words, told["text"], told)
        await client.call_tool("feedback", {"decision_id": told["decision_id"], "csat": 4})
        lines.append("tool      feedback: csat 4")
    return lines


if __name__ == "__main__":
    main(play)
