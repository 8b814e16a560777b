"""What `asyncio.timeout` does, of one length, for many tasks with one timer: a timer of its own for each read takes
longer than most parts of a decision."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType

from rapport.online.asking_async import LOOK_FIRST_S

__all__ = ["SharedTimeout"]

_ROUNDS = 3
"""Of the loop, from an answer that arrives to the task that waits for it."""


class _Wait:
    """One task's wait: `with` it."""

    __slots__ = ("_owner", "_requests", "is_late", "is_over", "task", "until_s")

    def __init__(self, owner: SharedTimeout) -> None:
        self._owner = owner
        self._requests = 0
        self.is_over = self.is_late = False
        self.task: asyncio.Task[object] | None = None
        self.until_s = 0.0

    def __enter__(self) -> None:
        self.task = asyncio.current_task()
        if self.task is None:
            raise RuntimeError("only a task can wait")
        self._requests = self.task.cancelling()
        self._owner.begin(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.is_over = True
        if self.is_late and self.task is not None:
            # whoever else has cancelled it has the last word
            is_ours = self.task.uncancel() <= self._requests
            if is_ours and kind is not None and issubclass(kind, asyncio.CancelledError):
                raise TimeoutError from error


class SharedTimeout:
    """A timeout of one length for the tasks of one event loop: `with timeout():`, which raises TimeoutError.

    Args:
        seconds: the length.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._waits: deque[_Wait] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __call__(self) -> _Wait:
        return _Wait(self)

    def begin(self, wait: _Wait) -> None:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._timer, self._waits = loop, None, deque()
        wait.until_s = loop.time() + self.seconds
        self._waits.append(wait)
        if self._timer is None:
            self._timer = loop.call_later(self.seconds, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give those who have waited too long one more look at what has arrived: a loop that was held up comes to its
        timers first, and that it is late itself, as when too much is asked, says nothing of whom they wait for."""
        self._timer = loop.call_later(LOOK_FIRST_S, self._hand_on, loop, loop.time(), _ROUNDS)

    def _hand_on(self, loop: asyncio.AbstractEventLoop, late_s: float, rounds: int) -> None:
        """Let what has arrived come to those who wait for it, however long the loop's rounds are."""
        if rounds:
            loop.call_soon(self._hand_on, loop, late_s, rounds - 1)
        else:
            self._end(loop, late_s)

    def _end(self, loop: asyncio.AbstractEventLoop, late_s: float) -> None:
        """Cancel who had waited too long at a time. Those who began first are first, so only they are looked at."""
        self._timer = None
        while self._waits and (self._waits[0].is_over or self._waits[0].until_s <= late_s):
            wait = self._waits.popleft()
            if not wait.is_over and wait.task is not None:
                wait.is_late = True
                wait.task.cancel()
        if self._waits:
            self._timer = loop.call_later(self._waits[0].until_s - loop.time(), self._look, loop)
