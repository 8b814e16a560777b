"""The sentences of the simulated world, read from phrases.yaml."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

import msgspec
import yaml

__all__ = ["TOPICS", "Phrases", "Temper", "Topic", "load_phrases"]

Topic = Literal["product_question", "order_status", "return_request", "late_delivery", "defect", "billing"]
Temper = Literal["calm", "annoyed", "angry"]

TOPICS: tuple[Topic, ...] = (
    "product_question",
    "order_status",
    "return_request",
    "late_delivery",
    "defect",
    "billing",
)
"""What conversations are about; the last three are problems."""


class Phrases(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Lists of sentences to choose from."""

    topics: dict[Topic, dict[Temper, list[str]]]
    openings: list[str]
    calm_endings: list[str]
    again: list[str]
    annoyed_endings: list[str]
    angry_endings: list[str]
    thanks: list[str]
    agent: list[str]
    products: list[tuple[str, list[str]]]
    """Categories, each with the names of its products."""


@cache
def load_phrases() -> Phrases:
    """The shipped sentences."""
    text = (Path(__file__).parent / "phrases.yaml").read_text(encoding="utf-8")
    return msgspec.convert(yaml.safe_load(text), Phrases)
