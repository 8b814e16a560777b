"""Feast's side of Rapport: from declarations to the engine, and the two store classes.

Feast is imported here first, so that every process gets it without two things that it would pay for:

- of the checks that typeguard builds into Feast's methods, only those of constructors are kept, for people write those.
  All of them take two thirds of the time of importing Feast;
- its servers are imported when somebody uses them, which nobody does here. They would have every metric of the process
  kept in files, and name the folder of them to all that the process starts.

Feast warns of every stream feature view that they are experimental. Rapport's values do not come from Feast's
implementation of them, so exactly that message is silenced here; after `import feast`, whose modules put filters of
their own in front.
"""

import importlib.util
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

_SERVERS = ("feast.feature_server", "feast.ui_server")


def _import_feast() -> None:
    if "feast" in sys.modules:
        return
    with _only_constructors_checked(), _servers_when_used():
        import feast  # noqa: F401


@contextmanager
def _only_constructors_checked() -> Iterator[None]:
    import typeguard

    check: Callable[[Any], Any] = typeguard.typechecked

    def checked(target: Any) -> Any:
        if not isinstance(target, type):
            return check(target)
        if "__init__" in vars(target):
            target.__init__ = check(target.__init__)  # type: ignore[misc]
        return target

    typeguard.typechecked = checked  # type: ignore[assignment]
    try:
        yield
    finally:
        typeguard.typechecked = check  # type: ignore[assignment]


@contextmanager
def _servers_when_used() -> Iterator[None]:
    sys.meta_path.insert(0, _Lazily)
    try:
        yield
    finally:
        sys.meta_path.remove(_Lazily)


class _Lazily:
    """Finds the servers' modules, for the first use of what is in them to run their code."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path) if name in _SERVERS else None
        if spec is not None and spec.loader is not None:
            spec.loader = importlib.util.LazyLoader(spec.loader)
        return spec


_import_feast()
warnings.filterwarnings("ignore", "Stream feature views are experimental features", RuntimeWarning)
