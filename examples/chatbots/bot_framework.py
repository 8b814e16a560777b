"""The Bot Framework's side of a conversation: signed requests for which the replies come in the answer.

chatbots.yaml must know the connector that this plays:

    bot_framework: {app_id: example, customer: [from.id], openid_url: "http://127.0.0.1:8498/openid"}
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from examples.chatbots.stage import WORDS, Line, main, post, turn

PORT = int(os.environ.get("CONNECTOR_PORT", "8498"))
ADDRESS = f"http://127.0.0.1:{PORT}"


def play(url: str, customer: str) -> Iterator[Line]:
    key = rsa.generate_private_key(65_537, 2_048)
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    documents = {"/openid": {"jwks_uri": f"{ADDRESS}/keys"}, "/keys": {"keys": [{**public, "kid": "example"}]}}

    class Connector(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(documents[self.path]).encode())

        def log_message(self, *said: object) -> None:
            """Nothing is printed but the conversation."""

    with HTTPServer(("127.0.0.1", PORT), Connector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for words in WORDS:
            answer = post(url, "/chatbots/bot-framework", _activity(customer, words), {"Authorization": _token(key)})
            message, *others = answer["activities"]
            yield from turn(words, message["text"], message["entities"][0])
            if any(one.get("name") == "handoff.initiate" for one in others):
                yield "          [handoff.initiate: a person goes on]"
        server.shutdown()


def _activity(customer: str, words: str) -> dict[str, Any]:
    return {
        "type": "message",
        "deliveryMode": "expectReplies",
        "serviceUrl": ADDRESS,
        "channelId": "webchat",
        "from": {"id": customer},
        "recipient": {"id": "bot"},
        "conversation": {"id": "c-1"},
        "text": words,
    }


def _token(key: rsa.RSAPrivateKey) -> str:
    claims = {
        "iss": "https://api.botframework.com",
        "aud": "example",
        "exp": int(time.time()) + 600,
        "serviceurl": ADDRESS,
    }
    return "Bearer " + jwt.encode(claims, key, algorithm="RS256", headers={"kid": "example"})


if __name__ == "__main__":
    main(play)
