"""What is to be sent to a platform that takes answers by its own interface."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Call"]


@dataclass(frozen=True, slots=True)
class Call:
    """A POST of JSON.

    Attributes:
        url: of the platform's interface.
        body: plain values.
        headers: those that say who sends; never shown.
    """

    url: str
    body: dict[str, object]
    headers: dict[str, str] = field(default_factory=dict, repr=False)
