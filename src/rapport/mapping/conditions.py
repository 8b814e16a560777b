"""Conditions of cases, compiled: which rows of a chunk a case takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from rapport.mapping.convert import Cell, as_decimal, as_text
from rapport.mapping.distinct import each
from rapport.mapping.rules import Condition

__all__ = ["Test", "compile_when"]

Test = Callable[[Mapping[str, Sequence[Cell]]], list[bool]]
"""Columns to whether the case takes each row."""


def compile_when(when: Mapping[str, Condition]) -> Test | None:
    """The test of a case's conditions; None when every row passes."""
    tests = [(column, check) for column, condition in when.items() for check in _checks(condition)]
    if not tests:
        return None

    def test(columns: Mapping[str, Sequence[Cell]]) -> list[bool]:
        masks = [_mask(check, columns[column]) for column, check in tests]
        return masks[0] if len(masks) == 1 else [all(row) for row in zip(*masks, strict=True)]

    return test


def _mask(check: Callable[[Cell], bool], cells: Sequence[Cell]) -> list[bool]:
    of_none = check(None)
    return [of_none if passed is None else passed for passed in each(check, cells)]


def _checks(condition: Condition) -> list[Callable[[Cell], bool]]:
    checks: list[Callable[[Cell], bool]] = []
    if condition.empty is not None:
        empty = condition.empty
        checks.append(lambda cell: (cell is None) == empty)
    if condition.equals is not None:
        checks.append(_one_of([condition.equals]))
    if condition.one_of is not None:
        checks.append(_one_of(condition.one_of))
    if condition.starts_with is not None:
        start = condition.starts_with
        checks.append(_text(lambda text: text.startswith(start)))
    if condition.below is not None:
        below = Decimal(str(condition.below))
        checks.append(_number(lambda number: number < below))
    if condition.above is not None:
        above = Decimal(str(condition.above))
        checks.append(_number(lambda number: number > above))
    return checks


def _one_of(values: Sequence[Cell]) -> Callable[[Cell], bool]:
    texts = {as_text(value) for value in values}
    return _text(lambda text: text in texts)


def _text(test: Callable[[str], bool]) -> Callable[[Cell], bool]:
    def check(cell: Cell) -> bool:
        try:
            return cell is not None and test(as_text(cell))
        except ValueError:  # a list or an object
            return False

    return check


def _number(test: Callable[[Decimal], bool]) -> Callable[[Cell], bool]:
    def check(cell: Cell) -> bool:
        try:
            return cell is not None and test(as_decimal(cell))
        except ValueError:
            return False

    return check
