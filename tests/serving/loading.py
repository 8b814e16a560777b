"""A load on the service from several connections, with every answer and how long it took; a module of helpers."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec

from rapport.testing.served import Served, wait_for

__all__ = ["Load"]


@dataclass
class Load:
    """Asks for decisions in a loop from `clients` threads, until it is left.

    Attributes:
        answers: (seconds since the start, HTTP status, seconds it took, the decision); status 0: no answer.
    """

    served: Served
    customer_id: str = "ann"
    clients: int = 3
    answers: list[tuple[float, int, float, dict[str, Any]]] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._stop = threading.Event()
        self._started = time.perf_counter()
        self._threads = [threading.Thread(target=self._run) for _ in range(self.clients)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def now_s(self) -> float:
        return time.perf_counter() - self._started

    def wait_answers(self, count: int) -> None:
        """Return once `count` more requests have been answered."""
        wanted = len(self.answers) + count
        wait_for(lambda: len(self.answers) >= wanted, "the service does not answer the load", 20)

    def failed(self) -> list[tuple[float, int, float, dict[str, Any]]]:
        return [answer for answer in self.answers if answer[1] != 200]

    def _run(self) -> None:
        body = msgspec.json.encode({"customer_id": self.customer_id, "session_data": {"message": "Where is it?"}})
        with httpx.Client(base_url=self.served.url, timeout=10, trust_env=False) as http:
            while not self._stop.is_set():
                began = time.perf_counter()
                try:
                    answer = http.post("/personalize", content=body, headers={"Content-Type": "application/json"})
                    found = (answer.status_code, time.perf_counter() - began, answer.json())
                except httpx.HTTPError as error:
                    found = (0, time.perf_counter() - began, {"error": repr(error)})
                self.answers.append((began - self._started, *found))
                time.sleep(0.005)
