"""Runtimes of one installation, closed at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from flows.runtime import Runtime, make_runtime
from rapport.settings import load_settings

__all__ = ["MakeRuntime", "runtimes"]

MakeRuntime = Callable[..., Runtime]


@contextmanager
def runtimes(environment: Mapping[str, str]) -> Iterator[MakeRuntime]:
    """Gives runtimes of an installation whose bus can be closed; arguments are settings."""
    made: list[Runtime] = []

    def make(**changes: Any) -> Runtime:
        more = {f"RAPPORT_{name.upper()}": str(value) for name, value in changes.items()}
        made.append(make_runtime(load_settings({**environment, **more})))
        return made[-1]

    yield make
    for runtime in made:
        runtime.bus.close()  # type: ignore[attr-defined]
