"""Views about the same entities, read together: what to ask Redis for, and the answers as Feast's protobuf messages."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from feast.protos.feast.serving.ServingService_pb2 import FieldStatus
from feast.protos.feast.types.Value_pb2 import Value
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from google.protobuf.timestamp_pb2 import Timestamp  # type: ignore[import-untyped]

from rapport.errors import RowCorrupt
from rapport.online.keys import field_of, time_field
from rapport.online.plain import plain_status
from rapport.online.questions import HashFields, Reply
from rapport.online.rows import EXPIRED, MISSING, PRESENT
from rapport.online.stored import KnownLayouts
from rapport.online.views import WindowedView
from rapport.online.windowed import WindowedViews
from rapport.windows import STATUS_NAMES, Kind
from rapport.windows.joint import JointValues

__all__ = ["Answer", "StoredView", "ViewsQuery", "add_to_response"]

_NULL = Value()
_PRESENT, _NULL_VALUE = FieldStatus.PRESENT, FieldStatus.NULL_VALUE
_FIELD_STATUS = {PRESENT: _PRESENT, MISSING: FieldStatus.NOT_FOUND, EXPIRED: FieldStatus.OUTSIDE_MAX_AGE}
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """n entities' values of one view.

    Attributes:
        values: [features][n]; the empty Value, always the same object, is null.
        status: n of present, missing and expired.
        newest_us: n times of the newest value, microseconds UTC; 0 where missing.
    """

    values: list[list[Any]]
    status: list[str]
    newest_us: list[int]


@dataclass(frozen=True, slots=True)
class StoredView:
    """Some features of a view whose values are stored as they were pushed, under its (versioned) name."""

    name: str
    features: tuple[str, ...]
    ttl: timedelta

    @property
    def fields(self) -> list[bytes]:
        return [*(field_of(self.name, feature) for feature in self.features), time_field(self.name)]

    def answer(self, replies: Sequence[Reply], as_of_us: int) -> Answer:
        """The answer in n replies, each the values of `fields`."""
        ttl_us = self.ttl // timedelta(microseconds=1) or None
        rows = [self._row(reply, ttl_us, as_of_us) for reply in replies]
        values = [[row[0][at] for row in rows] for at in range(len(self.features))]
        return Answer(values, [row[1] for row in rows], [row[2] for row in rows])

    def _row(self, reply: Reply, ttl_us: int | None, as_of_us: int) -> tuple[list[Any], str, int]:
        nothing = [_NULL] * len(self.features)
        try:
            status, newest_us = plain_status(reply[-1], ttl_us, as_of_us)
            if status != PRESENT:
                return nothing, status, newest_us
            return [Value.FromString(data) if data else _NULL for data in reply[:-1]], status, newest_us
        except (DecodeError, RowCorrupt):
            _logger.warning("view %s: a damaged row counts as missing", self.name)
            return nothing, MISSING, 0


class ViewsQuery:
    """Some features of some views.

    Args:
        views: in the order of the answers.
        layouts: finds the layouts of rows that were written under another declaration.
    """

    def __init__(self, views: Sequence[WindowedView | StoredView], layouts: KnownLayouts | None = None) -> None:
        self._views = tuple(views)
        self._slices: list[slice] = []
        self._columns: list[int] = []
        fields: list[bytes] = []
        width = 0
        for view in views:
            self._slices.append(slice(len(fields), len(fields) + len(view.fields)))
            self._columns.append(width)
            fields += view.fields
            width += len(view.features)
        self.fields = HashFields(fields)
        windowed = [(at, view) for at, view in enumerate(views) if isinstance(view, WindowedView)]
        self._places = [self._slices[at].start for at, _ in windowed]
        self._windowed = WindowedViews([(view, self._columns[at]) for at, view in windowed], width, layouts)

    def answers(self, replies: Sequence[Reply], as_of_us: int) -> list[Answer]:
        """Each view's answer in n replies, each the values of `fields`."""
        windowed = iter(self._windowed_answers(replies, as_of_us))
        answers = []
        for view, at in zip(self._views, self._slices, strict=True):
            if isinstance(view, StoredView):
                answers.append(view.answer([reply[at] for reply in replies], as_of_us))
            else:
                answers.append(next(windowed))
        return answers

    def have_changed(self, replies: Sequence[Reply]) -> bool:
        """Whether any reply holds a row of another declaration, so that `answers` may ask Redis for its layout."""
        return self._windowed.have_changed(self._values(replies))

    def _values(self, replies: Sequence[Reply]) -> list[bytes | None]:
        return [reply[at] for reply in replies for at in self._places]

    def _windowed_answers(self, replies: Sequence[Reply], as_of_us: int) -> list[Answer]:
        found, damaged = self._windowed.read(self._values(replies), len(replies), as_of_us)
        if damaged is not None:
            _logger.warning("%d damaged rows of windowed views count as missing", damaged.sum())
        # Whole arrays as lists: looking at single elements of an array takes longer than all the rest.
        status, newest = found.status.T.tolist(), found.newest_us.T.tolist()
        columns = _Columns(found)
        answers: list[Answer] = []
        for view, first in zip(self._views, self._columns, strict=True):
            if isinstance(view, WindowedView):
                at = len(answers)
                scales = [view.plan.scales[view.plan.names.index(feature)] for feature in view.features]
                kinds = zip(range(first, first + len(scales)), view.kinds, scales, strict=True)
                made = [columns.messages(column, kind, scale) for column, kind, scale in kinds]
                answers.append(Answer(made, [STATUS_NAMES[code] for code in status[at]], newest[at]))
        return answers


class _Columns:
    """The columns of a read as messages."""

    def __init__(self, found: JointValues) -> None:
        self._found = found
        self._valid = found.valid.T.tolist()
        self._floats = found.floats.T.tolist()
        self._integers = found.integers.T.tolist()

    def messages(self, column: int, kind: Kind, scale: int) -> list[Any]:
        valid = self._valid[column]
        if kind is Kind.FLOAT:
            floats = zip(self._floats[column], valid, strict=True)
            return [Value(double_val=value) if known else _NULL for value, known in floats]
        if kind is Kind.STRING:
            return [_NULL if text is None else Value(string_val=text) for text in self._found.texts(column)]
        integers = zip(self._integers[column], valid, strict=True)
        if kind is Kind.BOOL:
            return [Value(bool_val=bool(value)) if known else _NULL for value, known in integers]
        if kind is Kind.DECIMAL:
            return [Value(decimal_val=_decimal(value, scale)) if known else _NULL for value, known in integers]
        return [Value(int64_val=value) if known else _NULL for value, known in integers]


def _decimal(units: int, scale: int) -> str:
    return f"{Decimal(units).scaleb(-scale):f}"


def add_to_response(response: Any, answer: Answer, names: Sequence[str], row_of: Sequence[int]) -> None:
    """Add an answer's features, under `names`, to a GetOnlineFeaturesResponse.

    Args:
        row_of: for each row of the response, the entity of the answer that it is about.
    """
    response.metadata.feature_names.val.extend(names)
    entity_times = [_timestamp(newest_us) for newest_us in answer.newest_us]
    entity_codes = [_FIELD_STATUS[status] for status in answer.status]
    times = [entity_times[row] for row in row_of]
    codes = [entity_codes[row] for row in row_of]
    for column in answer.values:
        values = [column[row] for row in row_of]
        statuses = [
            _NULL_VALUE if code == _PRESENT and not value.ByteSize() else code
            for value, code in zip(values, codes, strict=True)
        ]
        response.results.add(values=values, statuses=statuses, event_timestamps=times)


def _timestamp(time_us: int) -> Any:
    return Timestamp(seconds=time_us // 1_000_000, nanos=time_us % 1_000_000 * 1_000)
