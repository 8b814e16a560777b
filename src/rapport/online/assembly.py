"""From the replies of Redis to FeatureRows: each view fills its own columns. Prepared once per reader."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat

import numpy as np
import numpy.typing as npt

from rapport.errors import RowCorrupt
from rapport.online.plain import PlainView, decode_value, plain_status
from rapport.online.questions import Reply
from rapport.online.rows import MISSING, PRESENT, AsOf, Details, FeatureRows, FeatureValue
from rapport.online.stored import KnownLayouts
from rapport.online.views import WindowedView
from rapport.online.windowed import WindowedViews
from rapport.windows import Kind

__all__ = ["Assembly"]

_PlainRow = tuple[str, int, list[FeatureValue], bool]
"""Status, newest_us, values, and whether it is damaged."""


class Assembly:
    """Where each view's fields are in a reply, and its features in a row.

    Args:
        views: in the order of the result.
        layouts: finds the layouts of rows that were written under another declaration.
    """

    def __init__(self, views: Sequence[WindowedView | PlainView], layouts: KnownLayouts | None = None) -> None:
        self.names = tuple(f"{view.name}__{feature}" for view in views for feature in view.features)
        self.kinds = tuple(kind for view in views for kind in view.kinds)
        self.fields = [field for view in views for field in view.fields]
        windowed: list[tuple[WindowedView, int]] = []
        self._places: list[int] = []
        self._plain: list[_Plain] = []
        field_at = feature_at = 0
        for view in views:
            if isinstance(view, WindowedView):
                windowed.append((view, feature_at))
                self._places.append(field_at)
            else:
                self._plain.append(_Plain(view, field_at, feature_at))
            field_at += len(view.fields)
            feature_at += len(view.features)
        self._windowed = WindowedViews(windowed, len(self.names), layouts)

    def rows(self, replies: Sequence[Reply], as_of_us: AsOf) -> FeatureRows:
        """The features in n replies, each the values of all `fields`."""
        values = self._values(replies)
        found, damaged = self._windowed.read(values, len(replies), as_of_us)
        times = repeat(as_of_us, len(replies)) if isinstance(as_of_us, int) else as_of_us
        plain = [(view, view.rows(replies, times)) for view in self._plain]
        for view, rows in plain:
            view.fill(found.floats, rows)

        def details() -> Details:
            details = self._windowed.details(found, damaged)
            for view, rows in plain:
                view.describe(details, rows)
            return details

        return FeatureRows(self.names, self.kinds, found.floats, details)

    def have_changed(self, replies: Sequence[Reply]) -> bool:
        """Whether any reply holds a row of another declaration, so that `rows` may ask Redis for its layout."""
        return self._windowed.have_changed(self._values(replies))

    def _values(self, replies: Sequence[Reply]) -> list[bytes | None]:
        places = self._places
        return [reply[at] for reply in replies for at in places]


class _Plain:
    """A plain view: where its fields are in a reply, and its features in a row."""

    def __init__(self, view: PlainView, field_at: int, feature_at: int) -> None:
        self._view = view
        self._fields = slice(field_at, field_at + len(view.fields))
        self._features = [
            (place, feature_at + place, feature, kind)
            for place, (feature, kind) in enumerate(zip(view.features, view.kinds, strict=True))
        ]

    def rows(self, replies: Sequence[Reply], times: Iterable[int]) -> list[_PlainRow]:
        return [_plain_row(self._view, reply[self._fields], at) for reply, at in zip(replies, times, strict=True)]

    def fill(self, vector: npt.NDArray[np.float64], rows: Sequence[_PlainRow]) -> None:
        for place, column, _, kind in self._features:
            if kind is not Kind.STRING:
                values = [row[2][place] for row in rows]
                vector[:, column] = [np.nan if value is None else float(value) for value in values]

    def describe(self, details: Details, rows: Sequence[_PlainRow]) -> None:
        name = self._view.name
        for place, _, feature, kind in self._features:
            if kind is Kind.STRING:
                values = [row[2][place] for row in rows]
                details.strings[f"{name}__{feature}"] = tuple([None if v is None else str(v) for v in values])
        details.status[name] = tuple([row[0] for row in rows])
        details.newest_us[name] = np.array([row[1] for row in rows], np.int64)
        if damaged := tuple([at for at, row in enumerate(rows) if row[3]]):
            details.damaged[name] = damaged


def _plain_row(view: PlainView, reply: Reply, as_of_us: int) -> _PlainRow:
    nothing: list[FeatureValue] = [None] * len(view.features)
    try:
        status, newest_us = plain_status(reply[-1], view.ttl_us, as_of_us)
        values = [decode_value(data) for data in reply[:-1]] if status == PRESENT else nothing
    except RowCorrupt:
        return MISSING, 0, nothing, True
    return status, newest_us, values, False
