"""The project's own files, and what they import; for the tests that read source instead of running it."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("flows", "training", "bentos", "monitoring", "feature_repo")


class Import(NamedTuple):
    """`module` is imported by `importer` (both dotted), in `path` at `line`."""

    importer: str
    module: str
    path: Path
    line: int

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line} imports {self.module}"


def project_files() -> list[Path]:
    """Every file that belongs to the project: what git would track, or else what is not a cache."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    if listed.returncode == 0:
        return [path for line in listed.stdout.splitlines() if (path := ROOT / line).is_file()]
    ignored = {".git", ".venv", ".rapport", ".cache", "__pycache__", ".mypy_cache", ".ruff_cache", ".hypothesis"}
    return [path for path in ROOT.rglob("*") if path.is_file() and not ignored & set(path.relative_to(ROOT).parts)]


def modules() -> Iterator[tuple[str, Path]]:
    """Dotted name and file of each module of rapport and of the rooms."""
    for folder in (ROOT / "src" / "rapport", *(ROOT / room for room in ROOMS)):
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder.parent).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imports_of(module: str, path: Path) -> Iterator[Import]:
    """All imports of a module, also those inside functions and under TYPE_CHECKING."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, path, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write imports in full"
            base = node.module or ""
            yield Import(module, base, path, node.lineno)
            for alias in node.names:
                yield Import(module, f"{base}.{alias.name}", path, node.lineno)


@cache
def all_imports() -> list[Import]:
    return [found for module, path in modules() for found in imports_of(module, path)]


def is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")
