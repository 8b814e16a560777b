"""A second oracle, for many customers at once: a view's features in plain SQL over raw events, by DuckDB.

It shares nothing with the engine but the declaration. Sums of integers are exact; floats are DuckDB's, whose rounding
differs in the last digits. The naive oracle (rapport.testing.oracle) judges exactly, but one customer at a time.
"""

from __future__ import annotations

import pyarrow as pa

from rapport.archive.sql import connect, identifier
from rapport.windows.view import Aggregation, Kind, View, result_kind

__all__ = ["sql_oracle"]

_PLAIN = {
    "count": "count({0})",
    "sum": "coalesce(sum({0}), 0)",
    "mean": "avg({0})",
    "min": "min({0})",
    "max": "max({0})",
    "std": "stddev_samp({0})",
    "count_distinct": "count(DISTINCT {0})",
}


def sql_oracle(view: View, events: pa.Table, as_of_us: int) -> pa.Table:
    """The features of every customer as of a time.

    Args:
        view: the declaration.
        events: columns customer_id, time (int64, microseconds UTC), and those that the view needs; each event once.

    Returns:
        customer_id, `newest` (time of the newest event at or before `as_of_us`), then the features by name; in the
        order of customer_id. Customers without an event by then have no row; a ttl is not looked at.
    """
    features = "".join(f", {_feature(view, a, as_of_us)} AS {identifier(a.name)}" for a in view.aggregations)
    with connect() as connection:
        connection.register("events", events)
        found: pa.Table = connection.sql(
            f'SELECT customer_id, max("time") AS newest{features} FROM events '
            f'WHERE "time" <= {as_of_us} GROUP BY customer_id ORDER BY customer_id'
        ).to_arrow_table()
    return found


def _feature(view: View, a: Aggregation, as_of_us: int) -> str:
    column = identifier(a.column) if a.column else '"time"'
    seen = f"{column} IS NOT NULL"
    if a.window_us is not None and a.slide_us is not None:
        start = (as_of_us - a.window_us) // a.slide_us * a.slide_us
        seen += f' AND "time" >= {start}'
    if a.function == "time_since_last":
        return f'({as_of_us} - max("time") FILTER ({seen})) / 1e6'
    if a.function == "first":
        return f'arg_min({column}, ROW("time", {column})) FILTER ({seen})'
    if a.function == "last":
        return f'arg_max({column}, ROW("time", {column})) FILTER ({seen})'
    # Booleans are added as 0 and 1.
    number = "::INTEGER" if view.kinds.get(a.column) is Kind.BOOL and a.function in ("sum", "mean") else ""
    feature = _PLAIN[a.function].format(f"CASE WHEN {seen} THEN {column}{number} END")
    return f"{feature}::BIGINT" if result_kind(a.function, view.kinds.get(a.column)) is Kind.INT else feature
