"""A server that answers like a broken decision service: the first part of a request's path says how.

`POST /hang/personalize` is never answered, `POST /reset/personalize` is cut off, and so on. `/switch/…` answers as
`GET /set/<how>` said last; `GET /count/<how>` gives how many requests of that kind came.

`python -m rapport.testing.faulty_service` serves until its standard input ends, and prints its port.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Self

__all__ = ["DECISION", "FaultyService"]

DECISION = {
    "decision_id": "d1",
    "as_of": "2026-11-23T16:21:39Z",
    "segment": "Champions",
    "activity": None,
    "sentiment": {"label": "negative", "score": -0.6},
    "scores": {"escalation_risk": 0.73},
    "tone": "apologetic",
    "template_id": "ticket_apology",
    "template": {"locale": "de", "text": "Entschuldigen Sie die Umstände."},
    "rule": "open ticket and unhappy",
    "reasons": [],
    "model_versions": {"escalation_risk": "4"},
    "feature_age_s": 118.4,
    "degraded": ["features_stale", "model_unavailable:purchase_propensity"],
    "ask": [{"name": "order_id", "type": "text", "question": "Ihre Bestellnummer?"}],
    "offer": {"id": "free_shipping"},
    "next_action": {"id": "hand_over", "values": {"queue": "gold"}},
    "policy_version": "3-ab12",
}
"""What it answers when it answers well."""

_REFUSAL = {"error": {"field": "session_data.locale", "reason": "bad_value", "detail": "got 'private words'"}}
_LIMITED = {"error": {"field": "", "reason": "rate_limited", "detail": "too many requests"}}
_LONGEST_S = 10.0


class FaultyService:
    """Serves on a port of 127.0.0.1 until it is left; one thread a connection.

    Attributes:
        port: where it listens.
        seen: requests by how they were answered.
        mode: how `/switch/…` answers.
        heads: the heads of all requests, as they came.
    """

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.mode = "ok"
        self.heads: list[str] = []
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self._socket.getsockname()[1])
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def url(self, how: str) -> str:
        return f"http://127.0.0.1:{self.port}/{how}"

    def stop(self) -> None:
        self._ended.set()
        socket.create_connection(("127.0.0.1", self.port)).close()
        for thread in self._threads:
            thread.join(5)
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _accept(self) -> None:
        while not self._ended.is_set():
            connection, _ = self._socket.accept()
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(0.2)
        try:
            with connection:
                while (how := self._request(connection)) is not None:
                    if not self._answer(connection, how):
                        return
        except OSError:
            return

    def _request(self, connection: socket.socket) -> str | None:
        """How the next request is to be answered, once all of it has been read; None: there is no other."""
        data = b""
        while b"\r\n\r\n" not in data:
            if not (part := self._receive(connection)):
                return None
            data += part
        head, _, rest = data.partition(b"\r\n\r\n")
        text = head.decode("latin-1")
        self.heads.append(text)
        length = next((int(line[15:]) for line in text.lower().split("\r\n") if line.startswith("content-length:")), 0)
        while len(rest) < length:
            if not (part := self._receive(connection)):
                return None
            rest += part
        path = text.split(" ")[1].strip("/").split("/")
        if path[0] in ("set", "count"):
            return "/".join(path[:2])
        how = self.mode if path[0] == "switch" else path[0]
        self.seen[path[0]] += 1
        return how

    def _receive(self, connection: socket.socket) -> bytes:
        while not self._ended.is_set():
            try:
                return connection.recv(65_536)
            except TimeoutError:
                continue
        return b""

    def _answer(self, connection: socket.socket, how: str) -> bool:
        """Whether the connection goes on."""
        kind, _, name = how.partition("/")
        if kind == "set":
            self.mode = name
            return self._send(connection, 200, b"{}")
        if kind == "count":
            return self._send(connection, 200, b"%d" % self.seen[name])
        if kind.startswith("once_"):
            kind = kind.removeprefix("once_") if self.seen[kind] % 2 else "ok"
        if kind in _STATUS:
            status, body, headers = _STATUS[kind]
            return self._send(connection, status, body, headers)
        behaviours: dict[str, Callable[[socket.socket], None]] = {
            "hang": self._hang,
            "reset": self._reset,
            "drip": self._drip,
            "drip_head": self._drip_head,
            "huge": self._huge,
            "short": self._short,
            "not_http": self._not_http,
        }
        behaviours[kind](connection)
        return False

    def _send(self, connection: socket.socket, status: int, body: bytes, headers: str = "") -> bool:
        head = (
            f"HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        )
        connection.sendall(head.encode() + body)
        return True

    def _hang(self, connection: socket.socket) -> None:
        self._ended.wait(_LONGEST_S)

    def _reset(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _drip(self, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        self._slowly(connection, b" ")

    def _drip_head(self, connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        self._slowly(connection, b"a")

    def _slowly(self, connection: socket.socket, byte: bytes) -> None:
        until = time.monotonic() + _LONGEST_S
        while time.monotonic() < until and not self._ended.wait(0.02):
            connection.sendall(byte)

    def _huge(self, connection: socket.socket) -> None:
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n{"a": "')
        for _ in range(1_000):
            if self._ended.is_set():
                return
            connection.sendall(b"a" * 1_000_000)

    def _short(self, connection: socket.socket) -> None:
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"segment":')

    def _not_http(self, connection: socket.socket) -> None:
        connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


_STATUS: dict[str, tuple[int, bytes, str]] = {
    "ok": (200, _json(DECISION), ""),
    "error_500": (500, b"Internal Server Error", ""),
    "garbage": (200, b"<html>It works!</html>", ""),
    "list": (200, b"[1, 2]", ""),
    "deep": (200, b"[" * 100_000, ""),
    "not_utf8": (200, b'{"tone": "\xff\xfe"}', ""),
    "redirect": (302, b"", "Location: /ok/personalize\r\n"),
    "refused": (400, _json(_REFUSAL), ""),
    "not_found": (404, b"no such page", ""),
    "rate_limited": (429, _json(_LIMITED), "Retry-After: 1\r\n"),
    "unavailable": (503, b"", ""),
    "unavailable_long": (503, b"", "Retry-After: 60\r\n"),
}


if __name__ == "__main__":
    with FaultyService() as service:
        sys.stdout.write(f"{service.port}\n")
        sys.stdout.flush()
        sys.stdin.read()
