"""Field rules, compiled: from a chunk's columns to a list of values for one field of an event."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from math import prod
from operator import neg
from typing import Any

from rapport.replay.convert import CONVERTERS, Cell, as_decimal, as_text, decimal_text, quoted
from rapport.replay.mapping import FieldRule
from rapport.replay.templates import ROW, template_parts

__all__ = ["CellError", "FieldValues", "Picked", "columns_of", "compile_field", "converted"]

Picked = Mapping[str, Sequence[Cell]]
"""The columns of some rows, equally long; ROW is one of them."""

FieldValues = Callable[[Picked, int], list[Any]]
"""Columns and number of rows to the field's values, None where there is none. Raises CellError for the first bad one."""


class CellError(ValueError):
    """A value that cannot become an event's: which field, the dead letter's reason, one sentence."""

    def __init__(self, field: str, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field
        self.reason = reason
        self.detail = detail


def columns_of(rule: FieldRule) -> list[str]:
    """The file's columns that a field needs."""
    if rule.column is not None:
        return [rule.column]
    if rule.template is not None:
        return [name for name in template_parts(rule.template)[1] if name != ROW]
    return rule.product or []


def compile_field(name: str, rule: FieldRule) -> FieldValues:
    """The function that computes a field's values by its rule."""
    values = _with_default(_source(name, rule), rule.default)
    return _negated(values) if rule.negate else values


def converted(field: str, column: str, convert: Callable[[Cell], Any], cells: Sequence[Cell]) -> list[Any]:
    """Convert the cells of a column, leaving None.

    Raises:
        CellError: one cannot be; the detail names the column.
    """
    try:
        return [None if cell is None else convert(cell) for cell in cells]
    except ValueError as error:
        raise CellError(field, "bad_value", f"{error}, in column {column!r}") from None


def _source(name: str, rule: FieldRule) -> FieldValues:
    if rule.column is not None:
        return _column(name, rule.column, rule)
    if rule.template is not None:
        return _template(rule.template)
    if rule.product is not None:
        return _product(name, rule.product, decimal_text if not rule.negate else _bounded)
    return lambda _, size: [rule.constant] * size


def _column(name: str, column: str, rule: FieldRule) -> FieldValues:
    convert = _translator(rule.values) if rule.values else CONVERTERS[rule.type]
    as_money = rule.type == "decimal" and not rule.values and not rule.negate

    def values(picked: Picked, _: int) -> list[Any]:
        found = converted(name, column, convert, picked[column])
        return [None if value is None else decimal_text(value) for value in found] if as_money else found

    return values


def _template(template: str) -> FieldValues:
    pattern, names = template_parts(template)
    if not names:
        return lambda _, size: [pattern.format()] * size

    def values(picked: Picked, _: int) -> list[Any]:
        rows = zip(*(picked[name] for name in names), strict=True)
        return [None if None in row else pattern.format(*map(as_text, row)) for row in rows]

    return values


def _product(name: str, columns: list[str], finish: Callable[[Decimal], object]) -> FieldValues:
    def values(picked: Picked, _: int) -> list[Any]:
        factors = [converted(name, column, as_decimal, picked[column]) for column in columns]
        try:
            return [None if None in row else finish(prod(row)) for row in zip(*factors, strict=True)]
        except ValueError as error:
            raise CellError(name, "bad_value", f"{error}, the product of {', '.join(columns)}") from None

    return values


def _bounded(number: Decimal) -> Decimal:
    decimal_text(number)
    return number


def _translator(table: Mapping[str, object]) -> Callable[[Cell], object]:
    def translate(cell: Cell) -> object:
        text = as_text(cell)
        if text not in table:
            raise ValueError(f"{quoted(cell)} is not one of {', '.join(table)}")
        return table[text]

    return translate


def _with_default(values: FieldValues, default: object) -> FieldValues:
    if default is None:
        return values
    return lambda picked, size: [default if value is None else value for value in values(picked, size)]


def _negated(values: FieldValues) -> FieldValues:
    def negated(picked: Picked, size: int) -> list[Any]:
        found = [None if value is None else neg(value) for value in values(picked, size)]
        return [decimal_text(value) if isinstance(value, Decimal) else value for value in found]

    return negated
