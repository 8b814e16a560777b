"""Groups of tests are kept together only if xdist sees them: a plugin's or pytest's change went unnoticed once."""

from __future__ import annotations

import pytest

from tests.order import group_of


def test_a_worker_is_told_the_group(request: pytest.FixtureRequest) -> None:
    if not hasattr(request.config, "workerinput"):
        pytest.skip("one process runs all tests: there is nothing to keep together")
    assert request.node.nodeid.endswith(f"@{group_of(request.node.path)}")
