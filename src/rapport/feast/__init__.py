"""Feast's side of Rapport: from declarations to the engine, and the two store classes.

Feast is imported here first, so that every process gets it without two things that it would pay for:

- of the checks that typeguard builds into Feast's methods, only those of constructors are kept, for people write those.
  All of them take two thirds of the time of importing Feast;
- prometheus_client stays as it is. Feast, whose own server nobody starts here, would have every metric of the process
  kept in files, and would leave the folder of them to all that the process starts.

Feast warns of every stream feature view that they are experimental. Rapport's values do not come from Feast's
implementation of them, so exactly that message is silenced here; after `import feast`, whose modules put filters of
their own in front.
"""

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_METRICS_FOLDERS = ("PROMETHEUS_MULTIPROCESS_DIR", "PROMETHEUS_MULTIPROC_DIR")


def _import_feast() -> None:
    if "feast" in sys.modules:
        return
    # Decides when it is imported where it keeps its values.
    import prometheus_client  # noqa: F401

    with _only_constructors_checked(), _no_folder_of_metrics():
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
def _no_folder_of_metrics() -> Iterator[None]:
    """Feast makes a folder when it is not told of one, and names it to everybody."""
    named = {name: os.environ[name] for name in _METRICS_FOLDERS if name in os.environ}
    os.environ.setdefault(_METRICS_FOLDERS[0], os.devnull)
    try:
        yield
    finally:
        for name in _METRICS_FOLDERS:
            os.environ.pop(name, None)
        os.environ.update(named)


_import_feast()
warnings.filterwarnings("ignore", "Stream feature views are experimental features", RuntimeWarning)
