"""The battery's options, and its seed in the report of a run."""

from __future__ import annotations

import random

import pytest


@pytest.fixture(scope="session")
def cases(pytestconfig: pytest.Config) -> int:
    return int(pytestconfig.getoption("--cases"))


@pytest.fixture(scope="session")
def oracle_seed(pytestconfig: pytest.Config) -> int:
    asked = pytestconfig.getoption("--oracle-seed")
    seed = random.SystemRandom().randrange(1_000_000_000) if asked is None else int(asked)
    # A failing test shows what was printed.
    print(f"--oracle-seed {seed}")
    return seed
