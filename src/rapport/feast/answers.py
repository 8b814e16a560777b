"""One view's part of an online read: what to ask Redis for, and the answer as Feast's protobuf messages."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from feast.protos.feast.serving.ServingService_pb2 import FieldStatus, GetOnlineFeaturesResponse
from feast.protos.feast.types.Value_pb2 import Value
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from google.protobuf.timestamp_pb2 import Timestamp  # type: ignore[import-untyped]

from rapport.errors import RowCorrupt
from rapport.online.keys import TILES, field_of, time_field
from rapport.online.plain import plain_status
from rapport.online.rows import EXPIRED, MISSING, PRESENT
from rapport.online.stored import read_stored
from rapport.windows import STATUS_NAMES, Column, Kind, Plan

__all__ = ["Answer", "PlainQuery", "Query", "WindowedQuery", "add_to_response"]

Reply = Sequence[bytes | None]
_NULL = Value()
_FIELD_STATUS = {MISSING: FieldStatus.NOT_FOUND, EXPIRED: FieldStatus.OUTSIDE_MAX_AGE}
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """n entities' values of one view.

    Attributes:
        features: names, in order.
        values: [features][n]; the empty Value is null.
        status: n of present, missing and expired.
        newest_us: n times of the newest value, microseconds UTC; 0 where missing.
    """

    features: list[str]
    values: list[list[Any]]
    status: list[str]
    newest_us: list[int]


class Query(Protocol):
    """The hash fields that a view needs, and how its values come out of them."""

    @property
    def fields(self) -> list[bytes]: ...

    def answer(self, replies: Sequence[Reply], as_of_us: int) -> Answer: ...


@dataclass(frozen=True, slots=True)
class WindowedQuery:
    """Some features of a windowed view."""

    plan: Plan
    features: list[str]

    @property
    def fields(self) -> list[bytes]:
        return [field_of(self.plan.view.name, TILES)]

    def answer(self, replies: Sequence[Reply], as_of_us: int) -> Answer:
        values, damaged = read_stored(self.plan, [reply[0] for reply in replies], as_of_us)
        if damaged:
            _logger.warning("view %s: %d damaged rows count as missing", self.plan.view.name, len(damaged))
        columns = [values.features[self.plan.names.index(feature)] for feature in self.features]
        status = [STATUS_NAMES[code] for code in values.status.tolist()]
        return Answer(self.features, [_messages(column) for column in columns], status, values.newest_us.tolist())


@dataclass(frozen=True, slots=True)
class PlainQuery:
    """Some features of a view whose values are stored as they were pushed."""

    view: str
    features: list[str]
    ttl: timedelta

    @property
    def fields(self) -> list[bytes]:
        return [*(field_of(self.view, feature) for feature in self.features), time_field(self.view)]

    def answer(self, replies: Sequence[Reply], as_of_us: int) -> Answer:
        rows = [self._row(reply, as_of_us) for reply in replies]
        values = [[row[0][at] for row in rows] for at in range(len(self.features))]
        return Answer(self.features, values, [row[1] for row in rows], [row[2] for row in rows])

    def _row(self, reply: Reply, as_of_us: int) -> tuple[list[Any], str, int]:
        nothing = [_NULL] * len(self.features)
        try:
            status, newest_us = plain_status(reply[-1], self.ttl // timedelta(microseconds=1) or None, as_of_us)
            if status != PRESENT:
                return nothing, status, newest_us
            return [Value.FromString(data) if data else _NULL for data in reply[:-1]], status, newest_us
        except (DecodeError, RowCorrupt):
            _logger.warning("view %s: a damaged row counts as missing", self.view)
            return nothing, MISSING, 0


def add_to_response(
    response: Any, answer: Answer, names: Sequence[str], indexes: Sequence[Sequence[int]], output_len: int
) -> None:
    """Add an answer's features, under `names`, to a GetOnlineFeaturesResponse.

    Args:
        indexes: for each entity of the answer, the rows of the response that it fills.
        output_len: rows of the response.
    """
    response.metadata.feature_names.val.extend(names)
    times = [Timestamp()] * output_len
    for newest_us, rows in zip(answer.newest_us, indexes, strict=True):
        time = _timestamp(newest_us)
        for row in rows:
            times[row] = time
    for column in answer.values:
        values: list[Any] = [_NULL] * output_len
        statuses = [FieldStatus.NOT_FOUND] * output_len
        for value, status, rows in zip(column, answer.status, indexes, strict=True):
            code = _FIELD_STATUS.get(status, FieldStatus.PRESENT if value.ByteSize() else FieldStatus.NULL_VALUE)
            for row in rows:
                values[row], statuses[row] = value, code
        response.results.append(
            GetOnlineFeaturesResponse.FeatureVector(values=values, statuses=statuses, event_timestamps=times)
        )


def _timestamp(time_us: int) -> Any:
    return Timestamp(seconds=time_us // 1_000_000, nanos=time_us % 1_000_000 * 1_000)


def _messages(column: Column) -> list[Any]:
    make = _MAKERS[column.kind]
    return [_NULL if value is None else make(value) for value in column.to_list()]


_MAKERS: dict[Kind, Any] = {
    Kind.INT: lambda value: Value(int64_val=value),
    Kind.FLOAT: lambda value: Value(double_val=value),
    Kind.STRING: lambda value: Value(string_val=value),
    Kind.BOOL: lambda value: Value(bool_val=value),
}
