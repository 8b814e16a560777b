"""Feast's side of Rapport: from declarations to the engine, and the two store classes.

Whoever imports Feast through this package gets it without the checks of its own methods' arguments: that typeguard
builds them into each method takes two thirds of the time of importing Feast, in every process. `feast apply`, which is
given what people have written, imports Feast first, and keeps them.

Feast warns of every stream feature view that they are experimental. Rapport's values do not come from Feast's
implementation of them, so exactly that message is silenced here; after `import feast`, whose modules put filters of
their own in front.
"""

import sys
import warnings
from typing import TypeVar

_T = TypeVar("_T")


def _as_it_is(target: _T) -> _T:
    return target


def _import_feast() -> None:
    if "feast" in sys.modules:
        return
    import typeguard

    typechecked = typeguard.typechecked
    typeguard.typechecked = _as_it_is  # type: ignore[assignment]
    try:
        import feast  # noqa: F401
    finally:
        typeguard.typechecked = typechecked


_import_feast()
warnings.filterwarnings("ignore", "Stream feature views are experimental features", RuntimeWarning)
