"""A receiver over HTTP that takes numbered batches as the decision service does, onto a bus in memory, and fails in
every way that a network can when it is told to."""

from __future__ import annotations

import gzip
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from rapport.bus.protocol import START, Message
from rapport.events.schema import TOPICS
from rapport.intake.columns import parse_columns
from rapport.intake.numbered import BatchNumber, publish_once
from rapport.intake.refusal import Refusal
from rapport.testing.bus import MemoryBus


class Receiver:
    """`answers`: what the next requests get instead of being taken: a status; "lost" (taken, and no answer), "cut"
    (not taken, and no answer), "slow" (taken after a second)."""

    def __init__(self, port: int = 0) -> None:
        self.bus = MemoryBus()
        self.answers: list[int | str] = []
        self.requests = 0
        self.bytes = 0
        self.times_s: list[float] = []
        self.port = port
        self._server: ThreadingHTTPServer | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def do_POST(self) -> None:
                receiver._take(self)

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    def taken(self) -> dict[str, list[dict[str, Any]]]:
        """The events on the bus, by topic."""
        found = {}
        for topic in TOPICS:
            batch = self.bus.reader(topic, 0, START).poll(1_000_000)
            if batch:
                found[topic] = [json.loads(value) for value in batch.values]
        return found

    def ids(self) -> list[str]:
        return [event["event_id"] for events in self.taken().values() for event in events]

    def _take(self, handler: BaseHTTPRequestHandler) -> None:
        packed = handler.rfile.read(int(handler.headers["Content-Length"]))
        self.requests += 1
        self.bytes += len(packed)
        self.times_s.append(time.monotonic())
        told = self.answers.pop(0) if self.answers else 202
        if told == "slow":
            time.sleep(1)
        if told == "cut":
            handler.close_connection = True
            return
        status, headers, answer = (told, {}, b"{}") if isinstance(told, int) else (202, {}, b"")
        if status == 202:
            status, answer = self._publish(handler, packed)
        if status == 429:
            headers = {"Retry-After": "1"}
        if told == "lost":
            handler.close_connection = True
            return
        handler.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(answer))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(answer)

    def _publish(self, handler: BaseHTTPRequestHandler, packed: bytes) -> tuple[int, bytes]:
        body = gzip.decompress(packed)
        try:
            batch = BatchNumber.of({name.lower(): value for name, value in handler.headers.items()}, body)
            assert batch is not None
            publish_once(self.bus, batch, [Message(topic, "", event) for topic, event in parse_columns(body)])
        except Refusal as refusal:
            return refusal.status, refusal.body()
        return 202, b'{"accepted": 1, "refused": 0, "results": []}'


def click(event_id: str, customer_id: str = "c1", **changes: Any) -> dict[str, Any]:
    event = {"event_id": event_id, "customer_id": customer_id, "event_time": "2026-03-01T12:00:00Z", "action": "view"}
    return {**event, "product_id": "p1", "session_id": "s1", **changes}
