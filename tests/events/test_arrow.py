"""Arrow's arrays as the engine's columns, and back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport.events.arrow import arrow_type, to_array, to_column
from rapport.windows import Kind

SCALE = 3
VALUES: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.INT: st.integers(-(2**63), 2**63 - 1),
    Kind.FLOAT: st.floats(allow_nan=False, allow_infinity=False),
    Kind.STRING: st.text(max_size=4),
    Kind.BOOL: st.booleans(),
    Kind.DECIMAL: st.integers(-(10**18) + 1, 10**18 - 1).map(lambda units: Decimal(units).scaleb(-SCALE)),
}


@pytest.mark.parametrize("kind", Kind)
@given(data=st.data())
def test_any_part_of_an_array_is_a_column(kind: Kind, data: st.DataObject) -> None:
    """Also where nothing is, and where nothing but nulls are."""
    scale = SCALE if kind is Kind.DECIMAL else 0
    some = st.lists(st.none() | VALUES[kind], max_size=12)
    values = data.draw(some | st.lists(st.none(), max_size=12))
    first, count = data.draw(st.integers(0, len(values))), data.draw(st.integers(0, len(values)))
    part = pa.array(values, arrow_type(kind, scale)).slice(first, count)
    column = to_column(kind, part, scale)
    assert (column.kind, column.scale, len(column.values)) == (kind, scale, len(part))
    assert column.to_list() == values[first : first + count]
    assert to_array(column).equals(part)
