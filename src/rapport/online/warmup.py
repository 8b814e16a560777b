"""Loading compiled code before it is needed."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from rapport.windows import Events, Plan, column_of, read, update

__all__ = ["warm_up"]


def warm_up(plans: Iterable[Plan]) -> None:
    """Run each plan once, on an event of nulls: the engine's compilation takes seconds the first time."""
    for plan in plans:
        columns = {name: column_of(plan.view.kinds[name], [None]) for name in plan.columns}
        rows = update(plan, [None], np.zeros(1, np.int64), Events(np.zeros(1, np.int64), columns))
        read(plan, rows, 0)
