"""The header with which a request says how long it has, as the description tells it."""

from __future__ import annotations

from typing import Any

from bentos.budget import HEADER, MOST_MS

__all__ = ["deadline_parameter"]


def deadline_parameter() -> dict[str, Any]:
    return {
        "name": HEADER,
        "in": "header",
        "schema": {"type": "integer", "minimum": 1, "maximum": MOST_MS},
        "description": "For how many milliseconds the answer is of use; what does not fit is left out, and named.",
    }
