"""Failures in logs, without what was being worked on: the message of an unexpected error may quote anything, a
customer's id or words too. Where it happened and of what kind it was are the program's own."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from pathlib import Path

__all__ = ["describe_failure", "log_failure"]


def log_failure(logger: logging.Logger, error: BaseException, text: str, *values: object) -> None:
    """Log an unexpected error with its traceback. `text` and `values` as the logger has them: nothing personal."""
    logger.error(f"{text}\n%s", *values, describe_failure(error))


def describe_failure(error: BaseException) -> str:
    """The traceback of an error and of what caused it: places and kinds, no messages and no lines of code."""
    return "\n".join(_lines(error, set()))


def _lines(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and id(before) not in seen:
        yield from _lines(before, seen)
        yield "then:"
    for frame in traceback.extract_tb(error.__traceback__):
        yield f"  {_short(frame.filename)}:{frame.lineno} in {frame.name}"
    yield f"{type(error).__module__}.{type(error).__qualname__}"
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _lines(inner, seen)


def _short(path: str) -> str:
    """The end of a path; what is above it names a machine's folders."""
    return "/".join(Path(path).parts[-3:])
