"""A TCP port in front of a server, whose connections can be made slow, refused or cut."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

__all__ = ["TcpProxy"]

_CHUNK = 65_536
_ABORT = struct.pack("ii", 1, 0)
"""SO_LINGER that makes a close send RST."""


class TcpProxy:
    """Passes on what comes to a port of 127.0.0.1, two threads a connection. Of tests: `with TcpProxy(path) as proxy`.

    Args:
        target: the server's Unix socket.

    Attributes:
        port: where it listens; the same after it has refused.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._delay_s = 0.0
        self._resets = False
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener: socket.socket | None = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self._listener.getsockname()[1])
        self._accept_from(self._listener)

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Nobody listens, and connections that were made are cut."""
        self._stop_listening()
        self._cut()
        try:
            yield
        finally:
            self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
            self._accept_from(self._listener)

    @contextmanager
    def resetting(self) -> Iterator[None]:
        """Connections are taken, and cut at the first thing that is said."""
        self._resets = True
        self._cut()
        try:
            yield
        finally:
            self._resets = False
            self._cut()

    @contextmanager
    def slow(self, seconds: float) -> Iterator[None]:
        """What the server says comes so much later."""
        self._delay_s = seconds
        try:
            yield
        finally:
            self._delay_s = 0.0

    def stop(self) -> None:
        self._stop_listening()
        self._cut()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None

    def _cut(self) -> None:
        with self._lock:
            open_now, self._open = self._open, set()
        for one in open_now:
            _abort(one)

    def _accept_from(self, listener: socket.socket) -> None:
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                here, _ = listener.accept()
            except OSError:
                return
            there = socket.socket(socket.AF_UNIX)
            try:
                there.connect(self._target)
            except OSError:
                _abort(here)
                continue
            with self._lock:
                self._open |= {here, there}
            for ends in ((here, there, False), (there, here, True)):
                threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        try:
            while said := source.recv(_CHUNK):
                if self._resets:
                    break
                if answers and self._delay_s:
                    time.sleep(self._delay_s)
                sink.sendall(said)
        except OSError:
            pass
        with self._lock:
            self._open -= {source, sink}
        for one in (source, sink):
            _abort(one)


def _abort(connection: socket.socket) -> None:
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    connection.close()
