"""From the replies of Redis to FeatureRows: each view fills its own columns. Prepared once per reader."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt

from rapport.errors import RowCorrupt
from rapport.online.hashes import Reply
from rapport.online.plain import PlainView, decode_value, plain_status
from rapport.online.rows import MISSING, PRESENT, FeatureRows, FeatureValue
from rapport.online.stored import read_stored
from rapport.online.views import WindowedView
from rapport.windows import STATUS_NAMES, Kind

__all__ = ["Assembly"]


class Assembly:
    """Where each view's fields are in a reply, and its features in a row.

    Args:
        views: in the order of the result.
    """

    def __init__(self, views: Sequence[WindowedView | PlainView]) -> None:
        self.names = tuple(f"{view.name}__{feature}" for view in views for feature in view.features)
        self.kinds = tuple(kind for view in views for kind in view.kinds)
        self.fields = [field for view in views for field in view.fields]
        self._parts: list[_Windowed | _Plain] = []
        field_at = feature_at = 0
        for view in views:
            part = _Windowed if isinstance(view, WindowedView) else _Plain
            self._parts.append(part(view, field_at, feature_at))  # type: ignore[arg-type]
            field_at += len(view.fields)
            feature_at += len(view.features)

    def rows(self, replies: Sequence[Reply], as_of_us: int) -> FeatureRows:
        """The features in n replies, each the values of all `fields`."""
        rows = _Rows(len(replies), len(self.names))
        for part in self._parts:
            part.fill(rows, replies, as_of_us)
        return FeatureRows(self.names, self.kinds, rows.vector, rows.strings, rows.status, rows.newest_us, rows.damaged)


class _Rows:
    """FeatureRows in the making."""

    def __init__(self, count: int, features: int) -> None:
        self.vector: npt.NDArray[np.float64] = np.full((count, features), np.nan)
        self.strings: dict[str, tuple[str | None, ...]] = {}
        self.status: dict[str, tuple[str, ...]] = {}
        self.newest_us: dict[str, npt.NDArray[np.int64]] = {}
        self.damaged: dict[str, tuple[int, ...]] = {}


class _Windowed:
    def __init__(self, view: WindowedView, field_at: int, feature_at: int) -> None:
        self._name, self._plan, self._field = view.name, view.plan, field_at
        self._columns = slice(feature_at, feature_at + len(view.features))
        self._picked = [view.plan.names.index(feature) for feature in view.features]
        self._whole = self._picked == list(range(len(view.plan.names)))
        self._strings = {
            f"{view.name}__{feature}": place
            for feature, place in zip(view.features, self._picked, strict=True)
            if view.plan.kinds[place] is Kind.STRING
        }

    def fill(self, rows: _Rows, replies: Sequence[Reply], as_of_us: int) -> None:
        values, damaged = read_stored(self._plan, [reply[self._field] for reply in replies], as_of_us)
        matrix = values.matrix()
        rows.vector[:, self._columns] = matrix if self._whole else matrix[:, self._picked]
        for name, place in self._strings.items():
            rows.strings[name] = tuple(cast(list[str | None], values.features[place].to_list()))
        rows.status[self._name] = tuple([STATUS_NAMES[code] for code in values.status.tolist()])
        rows.newest_us[self._name] = values.newest_us
        if damaged:
            rows.damaged[self._name] = damaged


class _Plain:
    def __init__(self, view: PlainView, field_at: int, feature_at: int) -> None:
        self._view = view
        self._fields = slice(field_at, field_at + len(view.fields))
        self._columns = range(feature_at, feature_at + len(view.features))

    def fill(self, rows: _Rows, replies: Sequence[Reply], as_of_us: int) -> None:
        view = self._view
        found = [_plain_row(view, reply[self._fields], as_of_us) for reply in replies]
        for place, (column, feature, kind) in enumerate(zip(self._columns, view.features, view.kinds, strict=True)):
            values = [row[2][place] for row in found]
            if kind is Kind.STRING:
                rows.strings[f"{view.name}__{feature}"] = tuple(None if v is None else str(v) for v in values)
            else:
                rows.vector[:, column] = [np.nan if v is None else float(v) for v in values]
        rows.status[view.name] = tuple(row[0] for row in found)
        rows.newest_us[view.name] = np.array([row[1] for row in found], np.int64)
        if damaged := tuple(at for at, row in enumerate(found) if row[3]):
            rows.damaged[view.name] = damaged


def _plain_row(view: PlainView, reply: Reply, as_of_us: int) -> tuple[str, int, list[FeatureValue], bool]:
    nothing: list[FeatureValue] = [None] * len(view.features)
    try:
        status, newest_us = plain_status(reply[-1], view.ttl_us, as_of_us)
        values = [decode_value(data) for data in reply[:-1]] if status == PRESENT else nothing
    except RowCorrupt:
        return MISSING, 0, nothing, True
    return status, newest_us, values, False
