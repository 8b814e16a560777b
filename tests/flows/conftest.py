"""An installation in a folder of its own, on the session's Redis."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flows.runtime import Runtime, make_runtime
from rapport.settings import load_settings
from tests.flows.running import MakeRuntime


@pytest.fixture
def make_runtime_(redis_url: str, tmp_path: Path) -> MakeRuntime:
    """Gives runtimes of one installation; arguments are settings."""

    def make(**changes: Any) -> Runtime:
        (tmp_path / "feature_store.yaml").touch()
        settings = load_settings({"RAPPORT_REDIS_URL": redis_url}, root=tmp_path)
        return make_runtime(replace(settings, archive_every_s=0.05, **changes))

    return make


@pytest.fixture(params=["redis", "kafka"])
def environment(request: pytest.FixtureRequest, redis_url: str, tmp_path: Path) -> dict[str, str]:
    """The settings of an installation, once with each bus that workers of several machines can share."""
    (tmp_path / "feature_store.yaml").touch()
    found = {"RAPPORT_ROOT": str(tmp_path), "RAPPORT_REDIS_URL": redis_url}
    if request.param == "kafka":
        found["RAPPORT_BUS_URL"] = request.getfixturevalue("kafka_url")
        found["RAPPORT_KAFKA_PREFIX"] = request.getfixturevalue("kafka_prefix")
    return found


@pytest.fixture
def runtime(make_runtime_: MakeRuntime) -> Runtime:
    return make_runtime_()
