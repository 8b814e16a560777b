"""Producers in a process of their own: each chunk is sent when it is due, whatever became of the ones before."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from multiprocessing.queues import Queue
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

from rapport.bus import Message, open_bus
from rapport.errors import BusFull
from rapport.intake.bodies import NDJSON
from rapport.settings import load_settings
from tests.chaos.world import Chunk, World
from tests.kafka.processes import forking

__all__ = ["Attempt", "Senders", "messages_of", "start_senders"]

_CONNECTIONS = 4
_FULL_S = 0.5
_IDLE_S = 2.0


class Attempt(NamedTuple):
    """One chunk given once.

    Attributes:
        at_s: when it was answered, from the start.
        took_s: how long the answer took.
        chunk: its number.
        records: how many it has.
        taken: whether it was accepted; else nothing of it was.
        later_s: when to come back, as the answer says.
    """

    at_s: float
    took_s: float
    chunk: int
    records: int
    taken: bool
    later_s: float


class Way(Protocol):
    """How a chunk is given. `send` returns None when it was taken, else after how many seconds to come back."""

    def packed(self, messages: Sequence[Message]) -> object: ...

    def send(self, packed: object) -> float | None: ...


class _Http:
    """Over `POST /events`, one connection; a new one when it was not used for so long that it may be closed."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        self._used_s = time.monotonic()

    def packed(self, messages: Sequence[Message]) -> bytes:
        return b"".join(b'{"topic":"%s","event":%s}\n' % (m.topic.encode(), m.value) for m in messages)

    def send(self, packed: object) -> float | None:
        if time.monotonic() - self._used_s > _IDLE_S:
            self._connection.close()
        self._connection.request("POST", "/events", packed, {"Content-Type": NDJSON})  # type: ignore[arg-type]
        answer = self._connection.getresponse()
        said = answer.read()
        self._used_s = time.monotonic()
        if answer.status == 202:
            return None
        if answer.status != 429:
            raise RuntimeError(f"POST /events was answered {answer.status}: {said[:500]!r}")
        return float(answer.headers["Retry-After"])


class _OnBus:
    """On the bus itself."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._bus = open_bus(load_settings(environment), timeout_s=60.0)

    def packed(self, messages: Sequence[Message]) -> Sequence[Message]:
        return messages

    def send(self, packed: object) -> float | None:
        try:
            self._bus.publish(packed)  # type: ignore[arg-type]
        except BusFull:
            return _FULL_S
        return None


@dataclass(frozen=True, slots=True)
class Senders:
    """What one process of producers does.

    Attributes:
        url: of the service; empty: straight to the bus.
        environment: the installation's settings.
        due: when each chunk is due, seconds from the start.
        come_back: whether a refused chunk is sent again until it is taken.
    """

    url: str
    environment: dict[str, str]
    world: World
    due: Sequence[tuple[float, int]]
    come_back: bool

    def way(self) -> Way:
        return _Http(self.url) if self.url else _OnBus(self.environment)


def start_senders(senders: Senders, start: object, told: Queue[tuple[bool, list[Attempt]]]) -> BaseProcess:
    """The process; it makes what it will send, then waits for `start` (a barrier), and tells its attempts."""
    process = forking().Process(target=_send, args=(senders, start, told), daemon=True)
    process.start()
    return process


def messages_of(chunk: Chunk) -> tuple[list[Message], dict[str, int]]:
    """The chunk's messages that are JSON, as only those can be part of a request, and how many are refused for what."""
    refused = {reason: n for reason, n in chunk.refused.items() if reason != "bad_json"}
    return [message for message in chunk.messages if not message.value.startswith(b"{broken")], refused


def _send(senders: Senders, start: threading.Barrier, told: Queue[tuple[bool, list[Attempt]]]) -> None:
    way = senders.way()
    made: dict[int, tuple[object, int]] = {}
    for _, number in senders.due:
        messages, _ = messages_of(senders.world.chunk(number))
        made[number] = (way.packed(messages), len(messages))
    start.wait()
    told.put((senders.come_back, _Sending(senders, made).all()))
    told.close()
    told.join_thread()


class _Sending:
    """Some connections, each with a thread, over one list of what is due."""

    def __init__(self, senders: Senders, made: dict[int, tuple[object, int]]) -> None:
        self._senders = senders
        self._made = made
        self._left = sorted(senders.due, reverse=True)
        self._not_before_s = 0.0
        self._lock = threading.Lock()
        self._started_s = time.monotonic()
        self._attempts: list[Attempt] = []

    def all(self) -> list[Attempt]:
        threads = [_Thread(self._run) for _ in range(_CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        errors = [thread.error for thread in threads if thread.error]
        if errors:
            raise errors[0]
        return sorted(self._attempts)

    def _run(self) -> None:
        way = self._senders.way()
        while True:
            with self._lock:
                if not self._left:
                    return
                due_s, number = self._left[-1]
                now_s = time.monotonic() - self._started_s
                wait_s = max(due_s, self._not_before_s) - now_s
                if wait_s <= 0:
                    self._left.pop()
            if wait_s > 0:
                time.sleep(min(wait_s, 0.05))
                continue
            self._give(way, due_s, number)

    def _give(self, way: Way, due_s: float, number: int) -> None:
        packed, records = self._made[number]
        began_s = time.monotonic()
        later_s = way.send(packed)
        ended_s = time.monotonic()
        with self._lock:
            at_s = ended_s - self._started_s
            self._attempts.append(Attempt(at_s, ended_s - began_s, number, records, later_s is None, later_s or 0.0))
            if later_s is None or not self._senders.come_back:
                del self._made[number]
                return
            self._left.append((due_s, number))
            self._not_before_s = max(self._not_before_s, at_s + later_s)


class _Thread(threading.Thread):
    """Keeps what went wrong."""

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # told to whoever joins
            self.error = error
