"""The compiler's decorator for this package.

Numba caches compiled code beside the source and looks at the function's own file only. Functions here call functions of
their sibling files, so the cache is made to look at all files of the folder: an edit to any of them compiles anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core import caching

__all__ = ["jit"]


@cache
def _digest(folder: Path) -> str:
    content = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        content.update(path.read_bytes())
    return content.hexdigest()


def _watching_folder(base: Any) -> Any:
    class Locator(base):  # type: ignore[misc]
        def get_source_stamp(self) -> str:
            return _digest(Path(self._py_file).parent)

    return Locator


class _FolderCacheImpl(caching.CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = [  # noqa: RUF012 - the base's own attribute
        _watching_folder(caching.UserProvidedCacheLocator),
        _watching_folder(caching.InTreeCacheLocator),
        _watching_folder(caching.UserWideCacheLocator),
    ]


class _FolderCache(caching.FunctionCache):  # type: ignore[misc]
    _impl_class = _FolderCacheImpl


def jit(function: Callable[..., Any]) -> Any:
    """Compile for native integers and floats, without the interpreter's lock, cached on disk."""
    dispatcher = numba.njit(nogil=True)(function)
    dispatcher._cache = _FolderCache(function)
    return dispatcher
