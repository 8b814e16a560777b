"""What the example bots share: their options, what the customer says, and how a turn is printed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import httpx

from rapport.client import DEFAULT_URL

__all__ = ["WORDS", "Line", "main", "post", "turn"]

WORDS = (
    "Hello!",
    "Where is my parcel?",
    "This is really annoying, I am still waiting!",
    "Useless!!! I HATE this, I am STILL waiting, let me talk to a HUMAN, this is ridiculous!!!",
)
"""What the customer writes, a message a turn."""
Line = str
_SHOWN = ("segment", "sentiment", "tone", "template_id", "hand_over")


def main(play: Callable[[str, str], Iterable[Line]]) -> None:
    """Run a bot: `play(url, customer)` gives the lines."""
    parser = argparse.ArgumentParser(description="Plays a short conversation with a running decision service.")
    parser.add_argument("--url", default=DEFAULT_URL, help="the decision service")
    parser.add_argument("--customer", default="c-000001", help="who talks")
    given = parser.parse_args()
    for line in play(given.url, given.customer):
        sys.stdout.write(f"{line}\n")


def post(url: str, path: str, body: object, headers: Mapping[str, str] | None = None) -> Any:
    """What the service answers to a platform's request."""
    response = httpx.post(f"{url}{path}", json=body, headers=dict(headers or {}), timeout=10, trust_env=False)
    response.raise_for_status()
    return response.json()


def turn(words: str, said: str, tags: Mapping[str, Any]) -> Iterator[Line]:
    """A turn as lines."""
    yield f"customer  {words}"
    yield f"bot       {said}"
    yield f"          [{', '.join(f'{name}: {tags[name]}' for name in _SHOWN if tags.get(name) is not None)}]"
