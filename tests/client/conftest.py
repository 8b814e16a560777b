"""One faulty server for all tests of the clients."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rapport.testing.faulty_service import FaultyService


@pytest.fixture(scope="session")
def faulty() -> Iterator[FaultyService]:
    with FaultyService() as service:
        yield service
