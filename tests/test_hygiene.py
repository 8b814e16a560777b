"""What no file of the project may contain."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.source_tree import ROOT, modules, project_files

HOSTS = [
    "pypi" + ".org",
    "files.python" + "hosted",
    "npm" + "js.",
    "repo1." + "maven",
    "repo." + "maven",
    "conda." + "anaconda",
]
MACHINE = [r"(?<![\w.])/" + folder + "/" for folder in ("wor" + "k", "roo" + "t", "hom" + "e", "Use" + "rs")]
UNFINISHED = ["TO" + "DO", "FIX" + "ME", "XX" + "X"]
LOCK = "uv.lock"


def _texts() -> list[tuple[Path, str]]:
    found = []
    for path in project_files():
        if path.name != LOCK and path.stat().st_size < 2_000_000:
            try:
                found.append((path, path.read_text()))
            except UnicodeDecodeError:
                continue
    return found


@pytest.mark.parametrize(
    ("patterns", "why"),
    [
        ([re.escape(host) for host in HOSTS], "a package registry's host: that is the machine's to configure"),
        (MACHINE, "an absolute path of one machine"),
        ([rf"\b{word}\b" for word in UNFINISHED], "unfinished work"),
    ],
)
def test_no_file_names(patterns: list[str], why: str) -> None:
    pattern = re.compile("|".join(patterns))
    bad = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path, text in _texts()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]
    assert not bad, f"{why}:\n" + "\n".join(bad)


def test_every_module_says_what_it_is() -> None:
    bad = [
        str(path)
        for _, path in modules()
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert not bad, bad


def test_large_and_secret_files_stay_out() -> None:
    bad = [
        str(path.relative_to(ROOT))
        for path in project_files()
        if path.name != LOCK and (path.stat().st_size > 1_000_000 or path.suffix in {".pem", ".key", ".pkl", ".db"})
    ]
    assert not bad, bad
