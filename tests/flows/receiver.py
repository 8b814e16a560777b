"""A receiver of webhooks: a real HTTP server that notes what it gets, and answers as it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from rapport.delivery.signing import ID_HEADER, is_signed

SECRET = b"a secret of the test, long enough"


class Receiver:
    """What was received; `answers` are the next statuses, then 200; "hang" is no answer for a while."""

    def __init__(self) -> None:
        self.answers: list[int | str] = []
        self.bodies: dict[str, list[bytes]] = {}
        self.taken: list[str] = []
        self.unsigned = 0
        self.hang_s = 1.0
        self.down = False
        self._lock = threading.Lock()

    def got(self, headers: dict[str, str], body: bytes) -> int | str:
        with self._lock:
            if not is_signed(SECRET, headers, body, int(time.time())):
                self.unsigned += 1
                return 401
            self.bodies.setdefault(headers[ID_HEADER], []).append(body)
            answer = 503 if self.down else self.answers.pop(0) if self.answers else 200
            if answer == 200:
                self.taken.append(headers[ID_HEADER])
            return answer

    @property
    def tries(self) -> int:
        return sum(map(len, self.bodies.values()))


@contextmanager
def receiving() -> Iterator[tuple[Receiver, str]]:
    """A receiver, and its URL."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if len(body) < int(self.headers["Content-Length"]):
                self.close_connection = True  # its sender was killed in the middle
                return
            answer = receiver.got(dict(self.headers), body)
            if answer == "hang":
                time.sleep(receiver.hang_s)
                self.close_connection = True
                return
            self.send_response(int(answer))
            if answer == 302:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver, f"http://127.0.0.1:{server.server_port}/hook"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
