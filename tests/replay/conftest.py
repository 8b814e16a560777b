"""What the replay tests share: a mapping written to a file, and a bus that keeps what it is given."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rapport.bus.protocol import Message
from rapport.dead_letters import DeadLetter
from rapport.errors import BusFull
from rapport.replay import Mapping, ReplayOptions, ReplayReport, load_mapping, replay

SHOP = """
name: shop
topic: purchase_events
time: {column: when}
customer: {column: who}
fields:
  action: {constant: order}
  order_id: order
  amount: {column: paid, type: decimal}
  currency: {constant: EUR}
"""


@dataclass
class KeepingBus:
    """Keeps messages; full for the first `full` calls."""

    full: int = 0
    messages: list[Message] = field(default_factory=list)
    calls: int = 0

    def publish(self, messages: Sequence[Message]) -> None:
        self.calls += 1
        if self.full:
            self.full -= 1
            raise BusFull("purchase_events holds 5 records, its limit is 5")
        self.messages += messages

    def counts(self, prefix: str = "") -> dict[str, int]:
        return {}

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(m.value) for m in self.messages if m.topic != "dead_letters"]

    @property
    def dead(self) -> list[dict[str, Any]]:
        letters = [msgspec.json.decode(m.value, type=DeadLetter) for m in self.messages if m.topic == "dead_letters"]
        return [
            {
                "reason": letter.reason,
                "field": letter.field,
                "detail": letter.detail,
                "line": int(letter.detail.split("line ")[1].partition(":")[0]),
                "raw": letter.raw.decode(),
            }
            for letter in letters
        ]


@dataclass
class Desk:
    """A folder to write mappings and files into, and to replay them from."""

    folder: Path

    def mapping(self, text: str = SHOP) -> Mapping:
        path = self.folder / "shop.yaml"
        path.write_text(text)
        return load_mapping(path)

    def file(self, content: str | bytes, name: str = "shop.csv") -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def replay(
        self, content: str | bytes, mapping: str = SHOP, name: str = "shop.csv", options: ReplayOptions | None = None
    ) -> tuple[KeepingBus, ReplayReport]:
        bus = KeepingBus()
        return bus, replay(bus, self.file(content, name), self.mapping(mapping), options)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)
