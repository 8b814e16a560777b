"""Many connections that ask for decisions, each for the next when the last is answered; a module of helpers."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

__all__ = ["Asked", "ask_for"]

_BODY = b'{"customer_id": "ann", "session_data": {"message": "Where is my parcel?"}}'
_REQUEST = (
    b"POST /personalize HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
    % (len(_BODY), _BODY)
)
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
_LONGEST_S = 10.0


@dataclass
class Asked:
    """What came of it.

    Attributes:
        took_s: of each answer.
        decisions: what was answered.
        statuses: of the answers that are not 200.
        failed: requests without an answer, for another reason than that nobody listened.
        refused: connections that were refused.
        moved: requests that another port answered than the first.
    """

    took_s: list[float] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    refused: int = 0
    moved: int = 0

    def share(self, code: str) -> float:
        """Of the answers with this code in `degraded`."""
        return sum(code in decision["degraded"] for decision in self.decisions) / max(1, len(self.decisions))


async def ask_for(ports: Sequence[int], connections: int, until: asyncio.Event, pause_s: float = 0.0) -> Asked:
    """Ask until the event is set. A port that refuses is left for the next one; nothing else is tried again."""
    asked = Asked()
    await asyncio.gather(*(_ask(list(ports), until, pause_s, asked) for _ in range(connections)))
    return asked


async def _ask(ports: list[int], until: asyncio.Event, pause_s: float, asked: Asked) -> None:
    first, line = ports[0], None
    while not until.is_set():
        began_s = time.perf_counter()
        try:
            if line is None:
                line = await asyncio.open_connection("127.0.0.1", ports[0])
        except ConnectionRefusedError:
            asked.refused += 1
            ports.append(ports.pop(0))
            await asyncio.sleep(0.01)
            continue
        try:
            async with asyncio.timeout(_LONGEST_S):
                line = await _exchange(line, asked)
        except (OSError, EOFError, TimeoutError) as error:
            asked.failed.append(f"{ports[0] == first}: {error!r}")
            line = None
        else:
            asked.took_s.append(time.perf_counter() - began_s)
            asked.moved += ports[0] != first
        await asyncio.sleep(pause_s)
    if line is not None:
        line[1].close()


async def _exchange(
    line: tuple[asyncio.StreamReader, asyncio.StreamWriter], asked: Asked
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    """Ask once; the connection, unless the answer closes it."""
    reader, writer = line
    writer.write(_REQUEST)
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    body = await reader.readexactly(int(length[1]) if length else 0)
    status = int(head.split(b" ", 2)[1])
    if status == 200:
        asked.decisions.append(msgspec.json.decode(body))
    else:
        asked.statuses.append(status)
    if b"connection: close" in head.lower():
        writer.close()
        return None
    return line
