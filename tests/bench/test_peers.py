"""The benchmark beside peers: what it computes is right, and a peer that is not there is named."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from benchmarks.peers import EVENT_EVERY_US, MINUTE_US, START_US, Click, Peer, clicks, peer_rate, to_state, view
from rapport.errors import ServiceError
from rapport.windows import compile_view, read


def test_the_state_answers_the_question() -> None:
    given, plan, decoder = clicks(9_000), compile_view(view()), msgspec.json.Decoder(Click)
    rows = to_state(plan, given, decoder)
    as_of_us = START_US + 9_000 * EVENT_EVERY_US
    values = read(plan, rows.rows(), as_of_us)
    numbers: dict[str, list[int]] = {}
    for click in map(decoder.decode, given):
        numbers.setdefault(click.customer, []).append(click.price)
    assert as_of_us - START_US < 5 * MINUTE_US
    for row, prices in enumerate(numbers.values()):
        expected = (len(prices), sum(prices), min(prices), max(prices))
        for window in ("5m", "1h", "1d"):
            got = values.row(row)
            assert tuple(got[f"{name}_{window}"] for name in ("count", "sum", "min", "max")) == expected


def test_a_peer_that_is_not_installed_is_named(tmp_path: Path) -> None:
    absent = Peer("An absent peer", "absent", "absent.py", (), 10)
    with pytest.raises(ServiceError, match="absent is not installed here; `make engines` installs it"):
        peer_rate(absent, tmp_path, few=1, many=2)
