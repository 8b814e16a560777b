"""Taking some events of a batch is taking them value by value."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rapport.online.selection import take
from rapport.windows import Events, Kind, column_of

ROWS = st.lists(
    st.tuples(
        st.integers(-(2**40), 2**40), st.one_of(st.none(), st.text(max_size=5)), st.one_of(st.none(), st.booleans())
    ),
    min_size=1,
    max_size=20,
)


@given(ROWS, st.data())
def test_take(rows: list[tuple[Any, ...]], data: st.DataObject) -> None:
    places = data.draw(st.lists(st.integers(0, len(rows) - 1)))
    times, texts, flags = zip(*rows, strict=True)
    money = [Decimal(time).scaleb(-2) for time in times]
    columns = {"s": column_of(Kind.STRING, texts), "b": column_of(Kind.BOOL, flags)}
    columns["d"] = column_of(Kind.DECIMAL, money, 2)
    taken = take(Events(np.array(times), columns), np.array(places, np.int64))
    assert taken.event_time_us.tolist() == [times[at] for at in places]
    assert taken.columns["s"].to_list() == [texts[at] for at in places]
    assert taken.columns["d"].to_list() == [money[at] for at in places]
    assert taken.columns["b"].to_list() == [flags[at] for at in places]
