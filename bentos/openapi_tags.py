"""The groups in which the reference shows the routes, in the order in which people look for them."""

from __future__ import annotations

from typing import Any

__all__ = ["with_tags"]

_GROUPS = (
    ("decisions", "What to answer a customer with, and why", ("/personalize", "/decisions", "/feedback")),
    ("events", "What customers do, given to the bus", ("/events", "/webhooks")),
    ("chatbots", "The same decisions in the words of chatbot platforms", ("/chatbots",)),
    ("models", "The models alone, by the Open Inference Protocol", ("/v2",)),
    ("operation", "How the service is", ("/",)),
)
"""Name, what is in it, and the beginnings of its paths; the first that fits."""


def with_tags(document: dict[str, Any]) -> dict[str, Any]:
    """The description with a group at each operation.

    Args:
        document: the description; it is changed.
    """
    document["tags"] = [{"name": name, "description": text} for name, text, _ in _GROUPS]
    for path, operations in document["paths"].items():
        group = next(name for name, _, beginnings in _GROUPS if path.startswith(beginnings))
        for operation in operations.values():
            operation["tags"] = [group]
    return document
