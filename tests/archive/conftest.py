from __future__ import annotations

from pathlib import Path

import pytest

from rapport.archive import Archive


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "it's (a) 100% *fo?lder*")
