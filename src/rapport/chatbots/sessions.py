"""What both Dialogflows share: sessions with an id at their end, and the name by which feedback is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rapport.chatbots.paths import at, text_of

__all__ = ["FEEDBACK", "SESSION", "customer_of"]

FEEDBACK = "rapport.feedback"
"""The intent's action (ES) or the webhook's tag (CX) that gives feedback."""
SESSION = "$session"
"""The path of the session's id: the last part of its name."""


def customer_of(request: Mapping[str, Any], paths: Iterable[str], session: object) -> str | None:
    """The customer at the first path that has one.

    Args:
        session: the session's whole name, `projects/…/sessions/ID`.
    """
    for path in paths:
        value = session.rpartition("/")[2] if path == SESSION and isinstance(session, str) else at(request, path)
        if (text := text_of(value)) is not None:
            return text
    return None
