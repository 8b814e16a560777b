"""The queue in front of decisions: requests that have arrived and wait for the process, which does one at a time.

When they come faster than they can be decided, the queue grows, and with it the wait of each. A request whose wait
would be too long is answered at once, with what costs next to nothing; so the queue does not grow any further.
"""

from __future__ import annotations

__all__ = ["Queue"]

LEAST_DECIDING = 8
"""With fewer decisions on their way there is no queue: the process was held up by something else."""


class Queue:
    """Says when the queue is too long.

    Args:
        longest_s: how long a request may wait, all in all, and still be decided; 0: any time.

    Attributes:
        deciding: decisions that have begun and not ended; whoever decides counts them.
    """

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s or float("inf")
        self.deciding = 0

    def is_too_long(self, waited_s: float, each_s: float) -> bool:
        """Whether a request is to be answered at once.

        Args:
            waited_s: how long it has waited.
            each_s: what a decision takes of the process, usually. As many as are on their way come before it.
        """
        deciding = self.deciding
        return deciding >= LEAST_DECIDING and waited_s + deciding * each_s > self._longest_s
