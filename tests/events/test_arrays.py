"""Columns to Arrow arrays: as Arrow makes them itself, one by one and from Python's values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from rapport.events.arrays import Numbers, to_arrays
from rapport.windows import Kind

TEXTS = st.none() | st.text(max_size=3)
LONGS = st.none() | st.integers(-(2**63), 2**63 - 1)
ROWS = st.lists(st.tuples(TEXTS, TEXTS, LONGS, LONGS, st.sampled_from([True, None])), max_size=20)


@given(ROWS)
def test_arrays_are_as_of_the_values(rows: list[tuple[Any, ...]]) -> None:
    texts, more, longs, listed, flags = ([row[i] for row in rows] for i in range(5))
    valid = np.array([value is not None for value in longs], np.bool_)
    flag = np.array(flags) == True  # noqa: E712 - of an array
    columns = {
        "text": texts,
        "long": Numbers(np.array([value or 0 for value in longs], np.int64), valid),
        "flag": Numbers(flag, flag),
        "listed": listed,
        "more": more,
    }
    kinds = {"text": Kind.STRING, "more": Kind.STRING, "long": Kind.INT, "listed": Kind.INT, "flag": Kind.BOOL}
    arrays = to_arrays(columns, kinds)
    types = {"text": pa.string(), "more": pa.string(), "long": pa.int64(), "listed": pa.int64(), "flag": pa.bool_()}
    given_ = {"text": texts, "more": more, "long": longs, "listed": listed, "flag": flags}
    assert arrays.keys() == given_.keys()
    for name, array in arrays.items():
        array.validate(full=True)
        assert array.equals(pa.array(given_[name], types[name])), name
