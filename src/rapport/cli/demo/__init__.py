"""The demo: the whole loop, once, on a simulated world or on a file of purchases."""

from __future__ import annotations

from rapport.cli.demo.command import demo

__all__ = ["demo"]
