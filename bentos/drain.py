"""The end of a serving process: nobody who was let in goes away without an answer.

First it says that it is not ready and asks each connection to be closed, while it serves on; then it refuses further
connections, and ends when what had come is answered. What still hangs after that, a thread that waits for a disk, say,
is given up: the process that started this one would wait for ever.
"""

from __future__ import annotations

import asyncio
import faulthandler
import logging
import signal

from bentos.listening import Listening

__all__ = ["END_WITHIN_S", "EXPECTED_S", "Drain"]

EXPECTED_S = 1.0
"""Longest time that a request may take to come on a connection that was just made."""
END_WITHIN_S = 10.0
"""When the process no longer takes connections, it is gone after so long, whatever it is at."""
_STEP_S = 0.02
_logger = logging.getLogger(__name__)


class Drain:
    """Ends the server when the process is told to.

    Args:
        listening: the server.
        seconds: how long it still takes connections.

    Attributes:
        has_begun: whether it is ending.
    """

    def __init__(self, listening: Listening, seconds: float) -> None:
        self._listening = listening
        self._seconds = seconds
        self._task: asyncio.Task[None] | None = None
        self.has_begun = False

    def arm(self) -> None:
        """Begin at SIGTERM from now on; a second one ends the server at once. Of the main thread."""
        self._loop = asyncio.get_running_loop()
        signal.signal(signal.SIGTERM, self._told)

    def _told(self, *_: object) -> None:
        if not self.has_begun:
            # It needs neither the loop nor the interpreter's lock, and writes where each thread hangs into the log.
            faulthandler.dump_traceback_later(self._seconds + END_WITHIN_S, exit=True)
        self._loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        if self.has_begun:
            self._listening.end()
            return
        self.has_begun = True
        _logger.warning("told to end: not ready from now on, listening for another %g s", self._seconds)
        self._task = self._loop.create_task(self._run(), name="drain")

    async def _run(self) -> None:
        try:
            await asyncio.sleep(self._seconds)
            await self._listening.stop_listening()
            for _ in range(round(EXPECTED_S / _STEP_S)):
                if not self._listening.expected:
                    break
                await asyncio.sleep(_STEP_S)
        finally:
            self._listening.end()
