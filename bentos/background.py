"""What the service does beside answering: small steps, repeated; a step that fails is told once and tried again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from rapport.errors import RapportError
from rapport.quiet import log_failure

__all__ = ["Background"]

_logger = logging.getLogger(__name__)


class Background:
    """Repeated steps of one event loop.

    Attributes:
        problems: step to what its last run failed with; empty when all is well.
    """

    def __init__(self) -> None:
        self.problems: dict[str, str] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def every(self, seconds: float, name: str, step: Callable[[], Awaitable[object]]) -> None:
        """Run `step` now and `seconds` after each of its ends."""
        self._tasks.append(asyncio.create_task(self._repeat(seconds, name, step), name=name))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _repeat(self, seconds: float, name: str, step: Callable[[], Awaitable[object]]) -> None:
        while True:
            try:
                await step()
                self.problems.pop(name, None)
            except RapportError as error:
                self._tell(name, str(error))
            except Exception as error:  # the loop must outlive any one run
                if name not in self.problems:
                    log_failure(_logger, error, "%s failed and is tried again", name)
                self.problems[name] = f"{type(error).__name__} (see the service's log)"
            await asyncio.sleep(seconds)

    def _tell(self, name: str, text: str) -> None:
        if self.problems.get(name) != text:
            _logger.warning("%s: %s", name, text)
        self.problems[name] = text
