"""Which events of a block a trigger looks at: worked out on columns, and a step of Python per customer at most."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from rapport.triggers.declared import Condition, EventMatch, Limits

__all__ = ["Occurred", "all_of", "matches", "newest_of", "unknown_in"]

_TEXT = 256
"""Characters of a text that are kept as a value."""
_ORDER = [("customer_id", "ascending"), ("event_time_us", "ascending"), ("event_id", "ascending")]


class Occurred(NamedTuple):
    """An event of a customer; `values` has the columns that were asked for, texts shortened."""

    customer: str
    time_us: int
    arrival_us: int
    event_id: str
    values: dict[str, Any]


def matches(rows: pa.RecordBatch, match: EventMatch) -> npt.NDArray[np.bool_]:
    """bool[n]: the rows of which all conditions hold; the topic is the caller's to compare."""
    found = np.ones(len(rows), np.bool_)
    for column, condition in match.where:
        found &= _holds(rows.column(column), condition)
    return found


def all_of(rows: pa.RecordBatch, mask: npt.NDArray[np.bool_], columns: Sequence[str]) -> list[Occurred]:
    """The events of a mask, each customer's in the order of their times."""
    return _occurred(_sorted(rows, mask), columns)


def newest_of(rows: pa.RecordBatch, mask: npt.NDArray[np.bool_], columns: Sequence[str]) -> list[Occurred]:
    """The newest event of each customer in a mask; of several at one time that with the greatest id."""
    some = _sorted(rows, mask)
    if not len(some):
        return []
    codes = some.column("customer_id").dictionary_encode().indices.to_numpy()
    last = np.append(codes[1:] != codes[:-1], True)
    return _occurred(some.filter(pa.array(last)), columns)


def unknown_in(rows: pa.RecordBatch, mask: npt.NDArray[np.bool_], known: Collection[str]) -> npt.NDArray[np.bool_]:
    """bool[n]: the rows of customers who have a row in the mask and are not known."""
    customers = rows.column("customer_id")
    some = customers if mask.all() else customers.filter(pa.array(mask))
    unknown = [customer for customer in some.unique().to_pylist() if customer not in known]
    if not unknown:
        return np.zeros(len(rows), np.bool_)
    return np.asarray(pc.is_in(customers, value_set=pa.array(unknown, pa.string())))


def _holds(array: pa.Array, condition: Condition) -> npt.NDArray[np.bool_]:
    if isinstance(condition, Limits):
        inside = pc.and_(pc.greater_equal(array, condition.low), pc.less(array, condition.high))
        return np.asarray(inside.fill_null(False))
    return np.asarray(pc.is_in(array, value_set=pa.array(list(condition), array.type)))


def _sorted(rows: pa.RecordBatch, mask: npt.NDArray[np.bool_]) -> pa.RecordBatch:
    some = rows if mask.all() else rows.filter(pa.array(mask))
    return some.take(pc.sort_indices(some, sort_keys=_ORDER)) if len(some) > 1 else some


def _occurred(rows: pa.RecordBatch, columns: Sequence[str]) -> list[Occurred]:
    names = ("customer_id", "event_time_us", "arrival_time_us", "event_id")
    fixed = [rows.column(name).to_pylist() for name in names]
    shown = [[_short(value) for value in rows.column(name).to_pylist()] for name in columns]
    values = [dict(zip(columns, some, strict=True)) for some in zip(*shown, strict=True)] if columns else None
    return [
        Occurred(customer, time_us, arrival_us, event_id, values[i] if values else {})
        for i, (customer, time_us, arrival_us, event_id) in enumerate(zip(*fixed, strict=True))
    ]


def _short(value: Any) -> Any:
    return value[:_TEXT] if isinstance(value, str) else value
