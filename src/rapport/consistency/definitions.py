"""Definitions of windowed views as they were: kept once each, so that an old decision can be replayed under its own.

<data folder>/definitions/<view>/<print>.json, where <print> is four bytes in hex of a hash of the definition. A
decision names the print of every view that it read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from rapport.files import write_whole
from rapport.settings import Settings
from rapport.windows import Aggregation, Kind, View

__all__ = ["find_definition", "keep_definitions", "print_of"]


class _Definition(msgspec.Struct, frozen=True):
    """What makes a windowed view's values what they are: its aggregations, their columns' kinds and scales, its ttl."""

    name: str
    kinds: dict[str, Kind]
    aggregations: tuple[Aggregation, ...]
    ttl_us: int | None
    scales: dict[str, int] = {}


# Made at import: two threads that decode a type for the first time at once crash msgspec.
_decoder = msgspec.json.Decoder(_Definition)


def print_of(view: View) -> str:
    """Four bytes in hex that change when the view's values may."""
    return hashlib.blake2s(_encoded(view), digest_size=4).hexdigest()


def keep_definitions(settings: Settings, views: Iterable[View]) -> dict[str, str]:
    """Keep the definitions of views; returns the print of each by the view's name.

    Raises:
        OSError: the folder does not take them.
    """
    prints = {}
    for view in views:
        prints[view.name] = print_of(view)
        path = _path(settings, view.name, prints[view.name])
        if not path.is_file():
            write_whole(path, _encoded(view))
    return prints


def find_definition(settings: Settings, name: str, print_: str) -> View | None:
    """The definition that had this print; None when it was not kept, or is no longer one that can be computed."""
    path = _path(settings, name, print_)
    try:
        found = _decoder.decode(path.read_bytes())
    except (OSError, msgspec.MsgspecError):
        return None
    return View(found.name, found.kinds, found.aggregations, found.ttl_us, found.scales)


def _encoded(view: View) -> bytes:
    named = {a.column: view.kinds[a.column] for a in view.aggregations if a.column}
    scales = {name: scale for name, scale in view.scales.items() if name in named}
    found = _Definition(view.name, named, view.aggregations, view.ttl_us or None, scales)
    return msgspec.json.encode(found, order="deterministic")


def _path(settings: Settings, name: str, print_: str) -> Path:
    return settings.data_dir / "definitions" / name / f"{print_}.json"
