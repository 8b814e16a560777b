"""From Feast's own objects to the engine's values, and short helpers for a feature repository.

A windowed view is a `StreamFeatureView` whose `Aggregation`s name column, function, time_window, slide_interval and
name. The types of the columns are those of its source's JsonFormat (`name type, …`, Spark's type names).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from feast import Field, FileSource, KafkaSource, StreamFeatureView
from feast.aggregation import Aggregation as FeastAggregation
from feast.data_format import DeltaFormat, JsonFormat
from feast.types import Bool, Decimal, Float64, Int64, String

from rapport.errors import DeclarationError
from rapport.events.columns import COLUMNS, spark_ddl
from rapport.windows.view import MAX_SCALE, Aggregation, Kind, View, result_kind

__all__ = ["column_kinds", "column_scales", "event_source", "is_windowed", "schema_of", "topic_of", "view_of"]

_KINDS = {
    "bigint": Kind.INT,
    "int": Kind.INT,
    "long": Kind.INT,
    "double": Kind.FLOAT,
    "float": Kind.FLOAT,
    "string": Kind.STRING,
    "boolean": Kind.BOOL,
}
_FEAST_TYPES = {
    Kind.INT: Int64,
    Kind.FLOAT: Float64,
    Kind.STRING: String,
    Kind.BOOL: Bool,
    Kind.DECIMAL: Decimal,
}
ARCHIVE_PATH = ".rapport/archive"
"""The archive's folder as declarations name it; the offline store puts the settings' folder in its place."""


def event_source(topic: str) -> KafkaSource:
    """The source of one of Rapport's event topics: its stream, its columns, and its archive as the batch source."""
    if topic not in COLUMNS:
        raise DeclarationError(f"unknown topic {topic!r}; the event topics are {', '.join(COLUMNS)}")
    archive = FileSource(
        name=f"{topic}_archive",
        path=f"{ARCHIVE_PATH}/{topic}",
        file_format=DeltaFormat(),
        timestamp_field="event_time",
    )
    return KafkaSource(
        name=topic,
        topic=topic,
        kafka_bootstrap_servers="",
        message_format=JsonFormat(schema_json=spark_ddl(topic)),
        timestamp_field="event_time",
        batch_source=archive,
    )


def schema_of(source: KafkaSource, aggregations: Sequence[FeastAggregation]) -> list[Field]:
    """The features' names and types, for `StreamFeatureView(schema=…)`. Refuses what cannot be computed.

    Raises:
        DeclarationError: an aggregation that Rapport cannot compute; names the choices.
    """
    view = View(source.name, column_kinds(source), _aggregations(aggregations), scales=column_scales(source))
    return [
        Field(name=a.name, dtype=_FEAST_TYPES[result_kind(a.function, view.kinds.get(a.column))])
        for a in view.aggregations
    ]


def is_windowed(view: Any) -> bool:
    """Whether a Feast feature view is one whose values Rapport computes from events."""
    return isinstance(view, StreamFeatureView) and bool(view.aggregations)


def topic_of(view: StreamFeatureView) -> str:
    """The topic that a windowed view reads."""
    return str(_stream(view).kafka_options.topic)


def view_of(view: StreamFeatureView) -> View:
    """The engine's declaration of a windowed Feast view.

    Raises:
        DeclarationError: it cannot be computed.
    """
    ttl = view.ttl or timedelta()
    return View(
        name=view.name,
        kinds=column_kinds(_stream(view)),
        aggregations=_aggregations(view.aggregations),
        ttl_us=_us(ttl) or None,
        scales=column_scales(_stream(view)),
    )


def column_kinds(source: KafkaSource) -> Mapping[str, Kind]:
    """Kind of each column of a source, from its JsonFormat."""
    return {name: kind for name, (kind, _) in _columns(source).items()}


def column_scales(source: KafkaSource) -> Mapping[str, int]:
    """Decimal places of each decimal column of a source, from its JsonFormat."""
    return {name: scale for name, (kind, scale) in _columns(source).items() if kind is Kind.DECIMAL}


def _columns(source: KafkaSource) -> dict[str, tuple[Kind, int]]:
    """Kind and decimal places of each column."""
    columns: dict[str, tuple[Kind, int]] = {}
    # A decimal(18,2) has a comma of its own.
    for part in re.split(r",(?![^(]*\))", source.kafka_options.message_format.schema_json):
        name, _, type_name = part.strip().partition(" ")
        column = _column(type_name.strip().lower())
        if not name or column is None:
            raise DeclarationError(
                f"source {source.name!r}: cannot read {part.strip()!r} in its JsonFormat; "
                f"write `name type, …` with a type of {', '.join(_KINDS)} or decimal(digits,places) of at most "
                f"{MAX_SCALE} digits"
            )
        columns[name] = column
    return columns


def _column(type_name: str) -> tuple[Kind, int] | None:
    decimal = re.fullmatch(r"decimal\(\s*(\d+)\s*,\s*(\d+)\s*\)", type_name)
    if decimal:
        digits, places = map(int, decimal.groups())
        return (Kind.DECIMAL, places) if 0 < digits <= MAX_SCALE and places <= digits else None
    kind = _KINDS.get(type_name)
    return None if kind is None else (kind, 0)


def _stream(view: StreamFeatureView) -> KafkaSource:
    source = view.stream_source
    if not isinstance(source, KafkaSource) or not isinstance(source.kafka_options.message_format, JsonFormat):
        raise DeclarationError(
            f"view {view.name!r}: its source must be a KafkaSource with a JsonFormat that gives the columns' types "
            "(rapport.feast.event_source makes one)"
        )
    return source


def _aggregations(declared: Sequence[FeastAggregation]) -> tuple[Aggregation, ...]:
    return tuple(
        Aggregation(
            name=a.resolved_name(a.time_window),
            function=a.function,
            column=a.column,
            window_us=_us(a.time_window) if a.time_window else None,
            slide_us=_us(a.slide_interval) if a.slide_interval else None,
        )
        for a in declared
    )


def _us(delta: timedelta) -> int:
    return delta // timedelta(microseconds=1)
