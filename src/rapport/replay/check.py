"""Trying a mapping out: a bus that decodes events and counts what ingest would say of them, and keeps none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rapport.bus.protocol import Message
from rapport.dead_letters import DEAD_LETTERS
from rapport.errors import EventError
from rapport.events.decode import decode

__all__ = ["CheckingBus"]


class CheckingBus:
    """Give it to `replay` in place of a bus; `outcome` then tells what would become of each row.

    Attributes:
        samples: the first event of each topic, as text, and the first dead letters, at most `keep` of each.
    """

    def __init__(self, keep: int = 3) -> None:
        self._counts: Counter[str] = Counter()
        self._keep = keep
        self.samples: dict[str, list[str]] = {}

    def publish(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._sample(message)
            if message.topic != DEAD_LETTERS:
                self._counts[f"origin:{message.origin}:{_verdict(message)}"] += 1

    def counts(self, prefix: str = "") -> dict[str, int]:
        return {name: n for name, n in self._counts.items() if name.startswith(prefix)}

    def _sample(self, message: Message) -> None:
        kept = self.samples.setdefault(message.topic, [])
        if len(kept) < self._keep:
            kept.append(message.value.decode())


def _verdict(message: Message) -> str:
    try:
        decode(message.topic, message.value)
    except EventError as error:
        return f"dead:{error.reason}"
    return "accepted"
