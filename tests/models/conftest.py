"""Two built versions of one small model, to copy from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from model_folders import make_folder


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions, to copy from."""
    models = tmp_path_factory.mktemp("models")
    make_folder(models, "1", seed=1)
    make_folder(models, "2", seed=2, onnx=True)
    return models


@pytest.fixture
def models(built: Path, tmp_path: Path) -> Path:
    """A folder of models of one's own, with versions 1 and 2 of `propensity` and no champion."""
    return Path(shutil.copytree(built, tmp_path / "models"))
