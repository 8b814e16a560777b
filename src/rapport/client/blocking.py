"""The client for threads: the asyncio client in a thread of its own, so that a deadline bounds all of a call.

A blocking read can be bounded, but not the whole of a call: a name that is not resolved and an answer that drips in a
byte at a time both outlast a socket's timeout.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import CancelledError
from types import TracebackType
from typing import Any, Self, TypeVar

from rapport.client.asynchronous import AsyncRapportClient, log_failure
from rapport.client.breaker import CircuitState
from rapport.client.options import ClientOptions, Reporter
from rapport.client.tags import Tags, tags_of
from rapport.errors import DeadlinePassed, ServiceError

__all__ = ["RapportClient"]

T = TypeVar("T")
_GRACE_S = 0.05
"""How much longer than its deadline a call is waited for, when the thread that answers gets no time itself."""


class RapportClient:
    """Asks one decision service, from any number of threads over shared connections; also after a fork.

    Args:
        on_call: is told of each call, at once and in the client's own thread: it has to be quick, and may not call
            the client.
        clock: seconds that only grow, for the breaker and the times that are reported.
    """

    def __init__(
        self,
        options: ClientOptions | None = None,
        *,
        on_call: Reporter | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.options = options or ClientOptions()
        self._make = lambda: AsyncRapportClient(self.options, on_call=on_call, clock=clock)
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._before_fork: list[_Running] = []
        self._closed = False

    @property
    def circuit(self) -> CircuitState:
        return self._running.client.circuit if self._running else "closed"

    def get_personalization_tags(self, customer_id: str, session_data: Mapping[str, Any] | None = None) -> Tags:
        """As `AsyncRapportClient.get_personalization_tags`: never raises."""
        tags: Tags = dict(self.options.defaults)
        if not customer_id:
            return tags
        try:
            return tags | tags_of(self.decide(customer_id, session_data))
        except Exception as error:  # the caller's page comes first, whatever this is
            log_failure(error)
            return tags

    def decide(
        self, customer_id: str, session_data: Mapping[str, Any] | None = None, *, deadline_ms: int | None = None
    ) -> dict[str, Any]:
        """As `AsyncRapportClient.decide`, with its errors."""
        wait_ms = self.options.deadline_ms if deadline_ms is None else deadline_ms
        return self._run(lambda client: client.decide(customer_id, session_data, deadline_ms=wait_ms), wait_ms)

    def decide_batch(
        self, turns: Sequence[tuple[str, Mapping[str, Any] | None]], *, deadline_ms: int = 5_000
    ) -> list[dict[str, Any]]:
        """As `AsyncRapportClient.decide_batch`, with its errors."""
        return self._run(lambda client: client.decide_batch(turns, deadline_ms=deadline_ms), deadline_ms)

    def send_events(
        self, topic: str, events: Sequence[Mapping[str, Any]], *, deadline_ms: int = 2_000
    ) -> dict[str, Any]:
        """As `AsyncRapportClient.send_events`, with its errors."""
        return self._run(lambda client: client.send_events(topic, events, deadline_ms=deadline_ms), deadline_ms)

    def feedback(self, customer_id: str, *, deadline_ms: int = 2_000, **said: Any) -> str:
        """As `AsyncRapportClient.feedback`, with its errors."""
        return self._run(lambda client: client.feedback(customer_id, deadline_ms=deadline_ms, **said), deadline_ms)

    def close(self) -> None:
        """End the thread and close the connections; later calls fail with ServiceError."""
        with self._lock:
            self._closed = True
            running, self._running = self._running, None
        if running and running.pid == os.getpid():
            running.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, work: Callable[[AsyncRapportClient], Coroutine[Any, Any, T]], wait_ms: int) -> T:
        running = self._here()
        future = asyncio.run_coroutine_threadsafe(work(running.client), running.loop)
        try:
            return future.result(wait_ms / 1_000 + _GRACE_S)
        except CancelledError:
            raise ServiceError("this client was closed while it waited") from None
        except TimeoutError:
            future.cancel()
            raise DeadlinePassed(f"no answer within {wait_ms} ms, nor from the client's own thread") from None

    def _here(self) -> _Running:
        """The running thread of this process: a fork leaves it behind, and may not use its parent's connections."""
        running = self._running
        if running is None or running.pid != os.getpid():
            with self._lock:
                if self._closed:
                    raise ServiceError("this client is closed")
                running = self._running
                if running is None or running.pid != os.getpid():
                    if running:
                        self._before_fork.append(running)  # kept: to collect it would close what the parent uses
                    self._running = running = _Running(self._make)
        return running


class _Running:
    """A thread that runs an event loop and the client in it."""

    def __init__(self, make: Callable[[], AsyncRapportClient]) -> None:
        self.pid = os.getpid()
        self.client = make()
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="rapport-client", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)

    def _serve(self) -> None:
        try:
            self.loop.run_forever()
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.loop.run_until_complete(self.client.aclose())
            self.loop.run_until_complete(asyncio.sleep(0))
        finally:
            self.loop.close()
