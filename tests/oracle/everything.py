"""Views that a user might add: every function over every kind of column, over many windows and over all time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from feast import StreamFeatureView
from feast.aggregation import Aggregation

from feature_repo.entities import customer
from rapport.events.columns import COLUMNS
from rapport.feast.declare import event_source, schema_of
from rapport.windows import FUNCTIONS, Kind, View
from rapport.windows import Aggregation as Aggregate

TOPIC = "feedback"
SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
_COLUMNS = ("csat", "resolution_time_s", "decision_id", "resolved")
"""An integer, a float, a string and a boolean."""
_WINDOWS: tuple[dict[str, Any], ...] = (
    {},
    {"time_window": 10 * SECOND, "slide_interval": 5 * SECOND},
    {"time_window": 60 * MINUTE, "slide_interval": 5 * MINUTE},
    {"time_window": 30 * MINUTE, "slide_interval": 5 * MINUTE},
    {"time_window": 400 * DAY, "slide_interval": 4 * DAY},
)


def everything() -> StreamFeatureView:
    source = event_source(TOPIC)
    wanted = [(f, column) for column in _COLUMNS for f, kinds in FUNCTIONS.items() if COLUMNS[TOPIC][column] in kinds]
    wanted += [("count", ""), ("time_since_last", "")]
    aggregations = [
        Aggregation(name=f"{function}_{column}_{number}", function=function, column=column, **window)
        for number, window in enumerate(_WINDOWS)
        for function, column in wanted
    ]
    return StreamFeatureView(
        name="everything",
        entities=[customer],
        source=source,
        timestamp_field="event_time",
        ttl=500 * DAY,
        aggregations=aggregations,
        schema=schema_of(source, aggregations),
    )


def decimals() -> View:
    """Decimal columns, which no event topic has: every function over them."""
    scales = {"whole": 0, "money": 2, "fine": 18}
    aggregations = tuple(
        Aggregate(f"{function}_{column}_{number}", function, column, *window)
        for number, window in enumerate([(None, None), (10_000_000, 5_000_000), (86_400_000_000, 7_200_000_000)])
        for column in scales
        for function, kinds in FUNCTIONS.items()
        if Kind.DECIMAL in kinds
    )
    return View("decimals", dict.fromkeys(scales, Kind.DECIMAL), aggregations, 2 * 86_400_000_000, scales)
