"""Field rules, compiled: from a chunk's columns to a list of values for one field of an event."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from math import prod
from typing import Any

from rapport.mapping.convert import CONVERTERS, Cell, as_decimal, as_text, decimal_text, quoted
from rapport.mapping.distinct import each, each_row
from rapport.mapping.rules import FieldRule
from rapport.mapping.templates import ROW, template_parts

__all__ = ["CellError", "FieldValues", "Picked", "columns_of", "compile_field", "converted"]

Picked = Mapping[str, Sequence[Cell]]
"""The columns of some rows, equally long; ROW is one of them."""

FieldValues = Callable[[Picked, int], list[Any]]
"""Columns and number of rows to the field's values, None where there is none. Raises CellError for a bad one."""


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
    return _with_default(_cut(_source(name, rule), rule.cut), rule.default)


def converted(field: str, column: str, convert: Callable[[Cell], Any], cells: Sequence[Cell]) -> list[Any]:
    """Convert the cells of a column, leaving None.

    Raises:
        CellError: one cannot be; the detail names the column.
    """
    try:
        return each(convert, cells)
    except ValueError as error:
        raise CellError(field, "bad_value", f"{error}, in column {column!r}") from None


def _source(name: str, rule: FieldRule) -> FieldValues:
    if rule.column is not None:
        return _column(name, rule.column, rule)
    if rule.template is not None:
        return _template(name, rule.template)
    if rule.product is not None:
        return _product(name, rule.product, _negative_text if rule.negate else decimal_text)
    return lambda _, size: [rule.constant] * size


def _column(name: str, column: str, rule: FieldRule) -> FieldValues:
    convert = _translator(rule.values) if rule.values else _converter(rule)
    return lambda picked, _: converted(name, column, convert, picked[column])


def _converter(rule: FieldRule) -> Callable[[Cell], Any]:
    if rule.type == "decimal":
        finish = _negative_text if rule.negate else decimal_text
        return lambda cell: finish(as_decimal(cell))
    convert: Callable[[Cell], Any] = CONVERTERS[rule.type]
    return (lambda cell: -convert(cell)) if rule.negate else convert


def _template(name: str, template: str) -> FieldValues:
    pattern, names = template_parts(template)
    if not names:
        return lambda _, size: [pattern.format()] * size

    def values(picked: Picked, _: int) -> list[Any]:
        rows = zip(*(picked[column] for column in names), strict=True)
        try:
            return [None if None in row else pattern.format(*map(as_text, row)) for row in rows]
        except ValueError as error:
            raise CellError(name, "bad_value", f"{error}, in the template {template!r}") from None

    return values


def _product(name: str, columns: list[str], finish: Callable[[Decimal], object]) -> FieldValues:
    def values(picked: Picked, _: int) -> list[Any]:
        try:
            return each_row(
                lambda row: finish(prod(map(as_decimal, row), start=Decimal(1))), [picked[column] for column in columns]
            )
        except ValueError as error:
            raise CellError(name, "bad_value", f"{error}, in the product of {', '.join(columns)}") from None

    return values


def _negative_text(number: Decimal) -> str:
    return decimal_text(-number)


def _translator(table: Mapping[str, object]) -> Callable[[Cell], object]:
    def translate(cell: Cell) -> object:
        text = as_text(cell)
        if text not in table:
            raise ValueError(f"{quoted(cell)} is not one of {', '.join(table)}")
        return table[text]

    return translate


def _cut(values: FieldValues, length: int | None) -> FieldValues:
    if length is None:
        return values
    return lambda picked, size: [None if text is None else text[:length] for text in values(picked, size)]


def _with_default(values: FieldValues, default: object) -> FieldValues:
    if default is None:
        return values
    return lambda picked, size: [default if value is None else value for value in values(picked, size)]
