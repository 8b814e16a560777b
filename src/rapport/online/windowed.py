"""The windowed views of a reader: their stored values in, features out, all views and customers together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rapport.online.marks import MARK_BYTES
from rapport.online.rows import AsOf, Details
from rapport.online.stored import KnownLayouts, bring_up, head_of
from rapport.online.views import WindowedView
from rapport.windows import MISSING, STATUS_NAMES, Kind
from rapport.windows.joint import FOREIGN, Joint, JointValues, Wanted

__all__ = ["WindowedViews"]

Damaged = npt.NDArray[np.bool_] | None
"""bool[n, V], or None when no row is damaged."""


class WindowedViews:
    """Reads the stored values of V windowed views; safe in any thread.

    Args:
        views: each view, and the column of the result in which its features begin.
        width: columns of the result.
        layouts: finds the layouts of rows that were written under another declaration; None: such rows lack all.
    """

    def __init__(
        self, views: Sequence[tuple[WindowedView, int]], width: int, layouts: KnownLayouts | None = None
    ) -> None:
        self._views = [view for view, _ in views]
        self._names = [view.name for view, _ in views]
        self._heads = [head_of(view.plan) for view, _ in views]
        self._layouts = layouts
        wanted = [Wanted(view.plan, view.features, column) for view, column in views]
        self._joint = Joint(wanted, width, skip_bytes=MARK_BYTES)
        self._texts = [
            (f"{view.name}__{feature}", column + at)
            for view, column in views
            for at, (feature, kind) in enumerate(zip(view.features, view.kinds, strict=True))
            if kind is Kind.STRING
        ]

    def read(self, values: Sequence[bytes | None], count: int, as_of_us: AsOf) -> tuple[JointValues, Damaged]:
        """The features of n = `count` customers, and which rows are damaged: they count as missing.

        Args:
            values: n * V stored values, customer by customer, and there view by view; None where there is none.
        """
        found = self._joint.read(values, count, as_of_us)
        if found.status.max(initial=0) < FOREIGN:
            return found, None
        broken: list[int] = []
        if (found.status == FOREIGN).any():
            values, broken = self._brought_up(values, found)
            found = self._joint.read(values, count, as_of_us)
        damaged = found.status >= FOREIGN
        damaged.flat[broken] = True
        found.status[damaged] = MISSING
        return found, damaged if damaged.any() else None

    def have_changed(self, values: Sequence[bytes | None]) -> bool:
        """Whether any of the values was written under another declaration, so that reading it may ask for a layout."""
        if not self._heads:
            return False
        end = MARK_BYTES + len(self._heads[0])
        heads = self._heads * (len(values) // len(self._heads))
        return any(value is not None and value[MARK_BYTES:end] != h for value, h in zip(values, heads, strict=True))

    def details(self, found: JointValues, damaged: Damaged) -> Details:
        """What a read says beside the numbers."""
        codes = found.status.T.tolist()
        details = Details(
            {name: found.texts(column) for name, column in self._texts},
            {name: tuple([STATUS_NAMES[code] for code in some]) for name, some in zip(self._names, codes, strict=True)},
            dict(zip(self._names, found.newest_us.T, strict=True)),
            {},
        )
        if damaged is not None:
            for name, some in zip(self._names, damaged.T, strict=True):
                if some.any():
                    details.damaged[name] = tuple(np.flatnonzero(some).tolist())
        return details

    def _brought_up(self, values: Sequence[bytes | None], found: JointValues) -> tuple[list[bytes | None], list[int]]:
        """The values with those of another layout in the plan's, and the places of those that cannot be translated."""
        current, broken = list(values), []
        for at, view in enumerate(self._views):
            places = (np.flatnonzero(found.status[:, at] == FOREIGN) * len(self._views) + at).tolist()
            new, damaged = bring_up(view.plan, [values[place] for place in places], self._layouts)
            for place, value in zip(places, new, strict=True):
                current[place] = value
            broken += [places[number] for number in damaged]
        return current, broken
