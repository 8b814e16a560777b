"""The Feast project's name, without Feast: itself it takes seconds and 200 MB to say it."""

from __future__ import annotations

from pathlib import Path

import yaml

__all__ = ["project_name"]


def project_name(root: Path) -> str:
    """The project of the feature_store.yaml in a folder."""
    return str(yaml.safe_load((root / "feature_store.yaml").read_text())["project"])
