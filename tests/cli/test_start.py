"""The command itself: quick to start, one line per error, exit codes that mean something."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rapport.cli.main import EXIT_CODES, run
from rapport.cli.reference import cli_page, settings_page
from rapport.errors import RapportError
from tests.source_tree import ROOT

HEAVY = (
    "numpy pandas feast mlflow evidently bentoml xgboost duckdb pyarrow redis msgspec psutil rich sklearn numba httpx"
)


def test_help_imports_nothing_heavy() -> None:
    code = f"""
import sys
from rapport.cli.main import run
assert run(["--help"]) == 0
print("heavy:", [name for name in {HEAVY.split()!r} if name in sys.modules])
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "heavy: []" in said
    assert "status" in said


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("RAPPORT_")]:
        monkeypatch.delenv(name)
    (tmp_path / "feature_store.yaml").write_text("project: p\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_nothing_running_is_said_with_a_code(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--json"]) == 5
    assert json.loads(capsys.readouterr().out) == {"phase": "stopped", "services": []}
    assert run(["down"]) == 0
    assert "nothing was running" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "env", "code", "words"),
    [
        (["status"], {"RAPPORT_PRT": "1"}, 2, "did you mean RAPPORT_PORT"),
        (["status"], {"RAPPORT_PORT": "80"}, 2, "1024"),
        (["features", "c-1", "--as-of", "tomorrow"], {}, 2, "'tomorrow' is not a time"),
        (["features", "c-1"], {}, 3, "rapport up"),
        (["features"], {}, 2, "CUSTOMER"),
        (["fly"], {}, 2, "fly"),
    ],
)
def test_errors_are_lines_with_codes(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    env: dict[str, str],
    code: int,
    words: str,
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert run(arguments) == code
    said = capsys.readouterr()
    assert words in said.err
    assert "Traceback" not in said.err
    assert said.out == ""


def test_debug_shows_the_traceback(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAPPORT_PORT", "80")
    assert run(["status", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_outside_a_project_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["status"]) == 2
    assert "feature_store.yaml" in capsys.readouterr().err


def test_reference_pages_are_what_the_code_says() -> None:
    assert (ROOT / "docs" / "cli.md").read_text() == cli_page(), "write it anew: make docs"
    assert (ROOT / "docs" / "settings.md").read_text() == settings_page(), "write it anew: make docs"


def test_every_command_shows_an_example_and_every_code_is_explained() -> None:
    page = cli_page()
    sections = page.split("\n## rapport ")[1:]
    for section in sections:
        name = section.split("\n", 1)[0]
        assert f"rapport {name}" in section.split("```sh\n")[1].split("\n")[0], name
    codes = {0, *(error.exit_code for error in _all_errors(RapportError))}
    assert codes <= set(EXIT_CODES)


def _all_errors(error: type[RapportError]) -> list[type[RapportError]]:
    return [error, *(found for child in error.__subclasses__() for found in _all_errors(child))]
