"""What a connection may do to the turns that the protocol answers itself: the same as to all else."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import pytest

from rapport.testing.served import Served

BODY = b'{"customer_id": "ann", "session_data": {"channel": "web"}}'


def request(body: bytes = BODY, *more: str, version: str = "1.1", length: int | None = None) -> bytes:
    lines = [f"POST /personalize HTTP/{version}", "Host: x", "Content-Type: application/json"]
    lines += [f"Content-Length: {len(body) if length is None else length}", *more]
    return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.fixture
def connection(served: Served) -> Iterator[socket.socket]:
    port = int(served.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as made:
        yield made


def answers(connection: socket.socket, count: int) -> list[tuple[int, dict[str, str], bytes]]:
    """So many answers: status, headers, body."""
    found = []
    with connection.makefile("rb") as stream:
        for _ in range(count):
            status = int(stream.readline().split()[1])
            headers = {}
            while line := stream.readline().strip():
                name, _, value = line.decode().partition(": ")
                headers[name.lower()] = value
            found.append((status, headers, stream.read(int(headers["content-length"]))))
    return found


def is_closed(connection: socket.socket) -> bool:
    return connection.recv(1) == b""


def test_requests_that_come_at_once_are_answered_in_their_order(connection: socket.socket) -> None:
    asked = [BODY, b"{", b'{"customer_id": ""}', BODY, BODY]
    connection.sendall(b"".join(map(request, asked)))
    found = answers(connection, len(asked))
    assert [status for status, _, _ in found] == [200, 400, 400, 200, 200]
    ids = [json.loads(body)["decision_id"] for status, _, body in found if status == 200]
    assert ids == sorted(ids) and len(set(ids)) == 3
    assert found[0][1]["content-type"] == "application/json" and "date" in found[0][1]


def test_a_body_may_come_late_and_in_parts(connection: socket.socket) -> None:
    whole = request()
    for part in (whole[:40], whole[40:-20], whole[-20:-1], whole[-1:]):
        connection.sendall(part)
        time.sleep(0.05)
    assert answers(connection, 1)[0][0] == 200
    connection.sendall(request(BODY, "Expect: 100-continue")[: -len(BODY)])
    assert connection.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.sendall(BODY + request())
    assert [status for status, _, _ in answers(connection, 2)] == [200, 200]


@pytest.mark.parametrize(("version", "more"), [("1.1", "Connection: close"), ("1.0", "X-A: b")])
def test_a_connection_that_is_to_end_ends(connection: socket.socket, version: str, more: str) -> None:
    connection.sendall(request(BODY, more, version=version))
    [(status, headers, _)] = answers(connection, 1)
    assert status == 200 and headers["connection"] == "close" and is_closed(connection)


def test_who_goes_away_early_harms_nobody(served: Served, connection: socket.socket) -> None:
    connection.sendall(request() * 20 + request(length=1_000))
    connection.close()
    assert served.http.post("/personalize", json=json.loads(BODY)).status_code == 200


def test_a_refusal_says_so_in_json(connection: socket.socket) -> None:
    connection.sendall(request(b"{}", length=70_000)[:-2] + b"x" * 70_000)
    [(status, headers, body)] = answers(connection, 1)
    assert status == 413 and headers["content-type"] == "application/json" and "error" in json.loads(body)
