"""Declarations that cannot be computed are refused, by names that help."""

from __future__ import annotations

import pytest

from rapport.errors import DeclarationError
from rapport.windows import Aggregation, Kind, View, column_of, compile_view

MINUTE = 60_000_000
KINDS = {"amount": Kind.INT, "item": Kind.STRING, "flag": Kind.BOOL}


def _view(
    name: str = "f",
    function: str = "sum",
    column: str = "amount",
    window: int | None = MINUTE,
    slide: int | None = 10_000_000,
) -> View:
    return View("orders", KINDS, (Aggregation(name, function, column, window, slide),))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"function": "median"}, ["orders", "'f'", "median", "count_distinct", "time_since_last"]),
        ({"column": "amuont"}, ["orders", "amuont", "amount, item, flag"]),
        ({"column": ""}, ["sum needs a column"]),
        ({"column": "item"}, ["string column 'item'", "count, count_distinct, first, last"]),
        ({"function": "max", "column": "flag"}, ["bool column", "sum, mean"]),
        ({"window": 5_000_000, "slide": 1_000_000}, ["10 seconds to 400 days"]),
        ({"window": 401 * 1440 * MINUTE, "slide": 1440 * MINUTE}, ["400 days"]),
        ({"slide": 7_000_000}, ["divide", "7 s"]),
        ({"slide": MINUTE}, ["at most half"]),
        ({"slide": None}, ["none"]),
        ({"slide": 0}, ["0 s"]),
        ({"window": None}, ["slide without a window"]),
        ({"name": ""}, ["without a name"]),
    ],
)
def test_refusals_name_what_is_wrong_and_what_is_allowed(change: dict[str, object], words: list[str]) -> None:
    with pytest.raises(DeclarationError) as refused:
        _view(**change)  # type: ignore[arg-type]
    for word in words:
        assert word in str(refused.value)


def test_empty_doubled_and_expired_views_are_refused() -> None:
    one = Aggregation("n", "count", "", None, None)
    for aggregations, ttl, word in (((), None, "no aggregations"), ((one, one), None, "two"), ((one,), -1, "ttl")):
        with pytest.raises(DeclarationError, match=word):
            View("orders", KINDS, aggregations, ttl)


def test_fingerprint_follows_the_definition_and_layout_what_rows_keep() -> None:
    base, renamed, wider = (compile_view(v) for v in (_view(), _view(name="g"), _view(window=2 * MINUTE)))
    mean = compile_view(_view(function="mean"))
    assert base.layout == renamed.layout == mean.layout
    assert base.layout != wider.layout
    assert len({base.fingerprint, renamed.fingerprint, wider.fingerprint, mean.fingerprint}) == 4


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_columns_refuse_numbers_that_are_not_finite(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        column_of(Kind.FLOAT, [1.0, bad])
