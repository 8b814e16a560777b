"""Chatwoot's side of a conversation: signed events go to the bot, which answers at an address that this plays.

chatbots.yaml must name that address and secret:

    chatwoot: {url: "http://127.0.0.1:8499", token_file: bot.token, secret_file: bot.secret}
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx

from examples.chatbots.stage import WORDS, Line, main, turn

PORT = int(os.environ.get("CHATWOOT_PORT", "8499"))
SECRET = os.environ.get("CHATWOOT_SECRET", "")


def play(url: str, customer: str) -> Iterator[Line]:
    taken: list[dict[str, Any]] = []

    class Chatwoot(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            taken.append({"path": self.path, **body})
            self.send_response(200)
            self.end_headers()

        def log_message(self, *said: object) -> None:
            """Nothing is printed but the conversation."""

    with HTTPServer(("127.0.0.1", PORT), Chatwoot) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for number, words in enumerate(WORDS, 1):
            taken.clear()
            _send(url, _event(number, customer, words))
            message = next(one for one in taken if one["path"].endswith("/messages"))
            yield from turn(words, message["content"], message["content_attributes"]["rapport"])
            if any(one["path"].endswith("/toggle_status") for one in taken):
                yield "          [the conversation is open: a person goes on]"
        server.shutdown()


def _event(number: int, customer: str, words: str) -> dict[str, Any]:
    sender = {"identifier": customer}
    return {
        "event": "message_created",
        "id": number,
        "content": words,
        "message_type": "incoming",
        "private": False,
        "account": {"id": 1},
        "conversation": {"id": 88, "status": "pending", "channel": "web", "meta": {"sender": sender}},
    }


def _send(url: str, event: dict[str, Any]) -> None:
    body, stamp = json.dumps(event).encode(), str(int(time.time()))
    digest = hmac.new(SECRET.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {
        "Content-Type": "application/json",
        "X-Chatwoot-Timestamp": stamp,
        "X-Chatwoot-Signature": f"sha256={digest}",
    }
    httpx.post(
        f"{url}/chatbots/chatwoot", content=body, headers=headers, timeout=10, trust_env=False
    ).raise_for_status()


if __name__ == "__main__":
    main(play)
