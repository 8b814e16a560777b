"""Mapping files in a folder, and what they make of payloads; a module of helpers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rapport.clock import to_us
from rapport.webhooks import Source, Translation, example_text

NOW_US = to_us(datetime(2026, 4, 1, tzinfo=UTC))
SECRET = b"a secret of the tests, long enough"

SHOP = """\
name: shop
unsigned: true
time: {column: at, zone: Europe/Vienna}
customer: {column: who}
event_id: "shop:{id}"
events:
  - topic: purchase_events
    when: {kind: {equals: order}}
    fields:
      action: {constant: order}
      order_id: id
      amount: {product: [pieces, each]}
      currency: {constant: EUR}
ignore:
  - {kind: {one_of: [ping]}}
"""


def example(name: str, folder: Path) -> Source:
    """A mapping that comes with Rapport, installed in a folder with a secret."""
    (folder / f"{name}.yaml").write_text(example_text(name))
    (folder / f"{name}.secret").write_bytes(SECRET)
    return Source.load(folder / f"{name}.yaml")


def shop(folder: Path, text: str = SHOP) -> Source:
    (folder / "shop.yaml").write_text(text)
    return Source.load(folder / "shop.yaml")


def translated(source: Source, payload: Any, **headers: str) -> Translation:
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return source.translate({name.replace("_", "-"): value for name, value in headers.items()}, body, NOW_US)


def events_of(made: Translation) -> list[tuple[str, dict[str, Any]]]:
    return [(event.topic, json.loads(event.value)) for event in made.events]
