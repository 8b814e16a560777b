"""Fingerprints of feature views: what pins a model to the declarations that it was trained with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

__all__ = ["fingerprint_of", "fingerprints_of"]


def fingerprints_of(views: Iterable[Any]) -> dict[str, str]:
    """Name of each Feast view to its fingerprint, hex."""
    return {view.name: fingerprint_of(view) for view in views}


def fingerprint_of(view: Any) -> str:
    """Four bytes in hex that change when the view's features change their meaning: for a windowed view those of its
    plan (names, functions, columns, windows), for a plain one those of its fields' names and types.

    Raises:
        DeclarationError: a windowed view that cannot be computed.
    """
    from rapport.feast.declare import is_windowed, view_of
    from rapport.windows import compile_view

    if is_windowed(view):
        return compile_view(view_of(view)).fingerprint.hex()
    fields = sorted(f"{field.name} {field.dtype}" for field in view.features)
    return hashlib.sha256("\n".join(fields).encode()).hexdigest()[:8]
