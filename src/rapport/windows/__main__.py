"""`python -m rapport.windows`: compile the engine ahead of its first use; the result stays on disk by the source."""

from __future__ import annotations

import numpy as np

from rapport.windows import Aggregation, Events, Kind, View, column_of, compile_view, history, read, update


def main() -> None:
    plan = compile_view(View("any", {"value": Kind.FLOAT}, (Aggregation("mean", "mean", "value", None, None),)))
    zero = np.zeros(1, np.int64)
    events = Events(zero, {"value": column_of(Kind.FLOAT, [1.0])})
    read(plan, update(plan, [None], zero, events), 0)
    history(plan, events, np.array([0, 1]), zero, zero)


if __name__ == "__main__":
    main()
