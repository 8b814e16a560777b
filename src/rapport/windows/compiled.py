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
import numpy.typing as npt
from llvmlite import ir
from numba.core import caching, cgutils, types
from numba.extending import intrinsic

__all__ = ["bits_of_float", "float_of_bits", "jit", "move_bytes", "writable"]


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
    """Compile to code that holds no lock, allocates nothing and counts no references; cached on disk.

    So a compiled function takes its arrays from its caller, makes none, and takes no slices. What it calls is compiled
    into it: a call would hand over every word of every array, which took more than half of the time of an update.
    """
    dispatcher = numba.njit(nogil=True, _nrt=False, forceinline=True)(function)
    dispatcher._cache = _FolderCache(function)
    return dispatcher


def writable(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The array, or a copy of one that is read-only: to the compiler that is another type, to be compiled again."""
    return array if array.flags.writeable else array.copy()


@intrinsic
def float_of_bits(_context: Any, bits: Any) -> Any:
    """The float64 whose IEEE 754 bits are an int64's."""
    return types.float64(types.int64), lambda _c, builder, _s, args: builder.bitcast(args[0], ir.DoubleType())


@intrinsic
def bits_of_float(_context: Any, value: Any) -> Any:
    """The IEEE 754 bits of a float64, as int64."""
    return types.int64(types.float64), lambda _c, builder, _s, args: builder.bitcast(args[0], ir.IntType(64))


@intrinsic
def move_bytes(_context: Any, _src: Any, _start: Any, _out: Any, _at: Any, _count: Any) -> Any:
    """out[at:at + count] = src[start:start + count] for arrays of uint8, which may overlap; count is 0 or more.

    A loop that copies byte by byte looks at the sign of every index, and is several times as slow.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def place(number: int) -> Any:
            kind, array = signature.args[number], arguments[number]
            data = context.make_array(kind)(context, builder, array).data
            return builder.gep(data, [arguments[number + 1]])

        cgutils.raw_memmove(builder, place(2), place(0), arguments[4], 1)
        return context.get_dummy_value()

    return types.none(_src, types.int64, _out, types.int64, types.int64), generate
