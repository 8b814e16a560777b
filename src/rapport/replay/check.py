"""Trying a mapping out: a bus that decodes events and counts what ingest would say of them, and keeps none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from rapport.bus.protocol import Message
from rapport.events.schema import EVENT_TYPES
from rapport.replay.dead import DEAD_LETTERS

__all__ = ["CheckingBus"]


class CheckingBus:
    """Give it to `replay` in place of a bus; `outcome` then tells what would become of each row.

    Attributes:
        samples: the first event of each topic, as text, and the first dead letters, at most `keep` of each.
    """

    def __init__(self, keep: int = 3) -> None:
        self._counts: Counter[str] = Counter()
        self._decoders = {topic: msgspec.json.Decoder(kind) for topic, kind in EVENT_TYPES.items()}
        self._keep = keep
        self.samples: dict[str, list[str]] = {}

    def publish(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._sample(message)
            if message.topic != DEAD_LETTERS:
                self._counts[f"origin:{message.origin}:{self._verdict(message)}"] += 1

    def counts(self, prefix: str = "") -> dict[str, int]:
        return {name: n for name, n in self._counts.items() if name.startswith(prefix)}

    def _verdict(self, message: Message) -> str:
        try:
            self._decoders[message.topic].decode(message.value)
        except msgspec.ValidationError:
            return "dead:bad_value"
        return "accepted"

    def _sample(self, message: Message) -> None:
        kept = self.samples.setdefault(message.topic, [])
        if len(kept) < self._keep:
            kept.append(message.value.decode())
