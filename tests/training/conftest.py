"""A project of one's own in a folder: the repository's declarations applied, and a world in its archive."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from training_world import write_world

from rapport.embedded import EmbeddedRedis
from rapport.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory, redis_server: EmbeddedRedis) -> Path:
    """Where `rapport train` could be run: not to be changed by a test."""
    root = tmp_path_factory.mktemp("project")
    config = yaml.safe_load((ROOT / "feature_store.yaml").read_text())
    config["online_store"]["connection_string"] = redis_server.url
    (root / "feature_store.yaml").write_text(yaml.safe_dump(config))
    shutil.copytree(ROOT / "feature_repo", root / "feature_repo", ignore=shutil.ignore_patterns("__pycache__"))
    (root / ".rapport").mkdir()
    _apply(root)
    write_world(root / ".rapport" / "archive")
    return root


@pytest.fixture(scope="session")
def settings(project: Path) -> Settings:
    return load_settings({}, root=project)


def _apply(root: Path) -> None:
    from feast import Entity, FeatureService, FeatureStore, FeatureView, StreamFeatureView

    from feature_repo import entities, services, views

    kinds = (Entity, FeatureView, StreamFeatureView, FeatureService)
    found = [value for module in (entities, views, services) for value in vars(module).values()]
    declared = {id(value): value for value in found if isinstance(value, kinds)}
    FeatureStore(repo_path=str(root)).apply(list(declared.values()))
