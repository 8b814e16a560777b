"""A small HTTP server that plays the platforms: it records what is posted, and gives keys and tokens."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from rapport.webhooks.mapping import Signature

APP = "app-1"
SECRET = "a secret of the tests, long enough"
CHATBOTS = """\
rasa: {}
dialogflow_es: {}
dialogflow_cx: {}
chatwoot: {url: "%(url)s", token_file: bot.token, secret_file: bot.secret}
bot_framework:
  app_id: app-1
  password_file: bot.password
  customer: [from.id]
  openid_url: "%(url)s/openid"
  login_url: "%(url)s"
"""
"""chatbots.yaml of all platforms; `url` is where they are."""
CHATWOOT = Signature(
    header="X-Chatwoot-Signature",
    encoding="hex",
    prefix="sha256=",
    timestamp_header="X-Chatwoot-Timestamp",
    separator=".",
    secret_file="x",
)
"""How Chatwoot signs."""


@dataclass
class Posted:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Platforms:
    """The server's side: what it got, and what it says."""

    posted: list[Posted] = field(default_factory=list)
    status: int = 200
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65_537, 2_048))
    url: str = ""
    _server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        platforms = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(200, platforms.document(self.path))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                platforms.posted.append(Posted(self.path, headers, body))
                token = self.path.endswith("/token")
                given: dict[str, Any] = {"access_token": "bot-token", "expires_in": 3600} if token else {"id": 1}
                self.answer(200 if token else platforms.status, given)

            def answer(self, status: int, value: Any) -> None:
                body = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *said: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def document(self, path: str) -> Any:
        if path == "/openid":
            return {"issuer": "https://api.botframework.com", "jwks_uri": f"{self.url}/keys"}
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [{**public, "kid": "k1", "endorsements": ["msteams", "webchat"]}]}

    def token(self, key: rsa.RSAPrivateKey | None = None, kid: str = "k1", **changed: Any) -> str:
        """A connector's token; a claim of None is left out."""
        now = int(time.time())
        claims = {
            "iss": "https://api.botframework.com",
            "aud": APP,
            "exp": now + 600,
            "nbf": now - 10,
            "serviceurl": self.url,
            **changed,
        }
        given = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(given, key or self.key, algorithm="RS256", headers={"kid": kid})
