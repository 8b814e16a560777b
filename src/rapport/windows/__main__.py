"""`python -m rapport.windows`: compile the engine ahead of its first use; the result stays on disk by the source."""

from __future__ import annotations

import numpy as np

from rapport.windows import (
    Aggregation,
    Events,
    Kind,
    View,
    column_of,
    compile_view,
    complete,
    history,
    read,
    translate,
    update,
)
from rapport.windows.joint import Joint, Wanted
from rapport.windows.lacking import lacking


def main() -> None:
    plan = compile_view(View("any", {"value": Kind.FLOAT}, (Aggregation("mean", "mean", "value", None, None),)))
    zero, position = np.zeros(1, np.int64), np.zeros(1, np.uint64)
    events = Events(zero, {"value": column_of(Kind.FLOAT, [1.0])})
    rows = update(plan, [None], zero, events)
    read(plan, rows, 0)
    Joint([Wanted(plan, plan.names, 0)], 1).read(rows, 1, 0)
    history(plan, events, np.array([0, 1]), zero, zero)
    rows = translate(plan, None, rows, position, position)
    lacking(plan, rows)
    complete(plan, rows, zero, events, position, position)


if __name__ == "__main__":
    main()
