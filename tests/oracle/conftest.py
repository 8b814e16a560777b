"""The battery's options."""

from __future__ import annotations

import pytest


@pytest.fixture
def cases(pytestconfig: pytest.Config) -> int:
    return int(pytestconfig.option.cases)


@pytest.fixture
def oracle_seed(pytestconfig: pytest.Config) -> int:
    return int(pytestconfig.option.oracle_seed)
