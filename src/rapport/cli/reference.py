"""The pages of commands and settings, and the schema of audits, from the code: `python -m rapport.cli.reference`.

Tests compare them.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from rapport import settings as settings_module
from rapport.audit.report import schema_text
from rapport.cli.main import EXIT_CODES, app
from rapport.settings import Settings, find_root

__all__ = ["cli_page", "main", "settings_page"]

_CLI_INTRO = """\
# Commands

<!-- written by `make docs` from the code; edit the code -->

`rapport COMMAND --help` says the same as this page. Results go to stdout, progress and messages to stderr; with
`--json` stdout holds one JSON document and nothing else. An error is one line on stderr; `--debug` adds its traceback.

| exit code | meaning |
|---|---|
"""

_SETTINGS_INTRO = """\
# Settings

<!-- written by `make docs` from the code; edit the code -->

Settings are environment variables, read once when a process starts. One that starts with `RAPPORT_` and is not in
this list is refused, with the nearest name. `rapport up` hands its settings to every process that it starts.

| variable | type | default | allowed | meaning |
|---|---|---|---|---|
"""


def cli_page() -> str:
    """Markdown of all commands, with their options and examples."""
    codes = "".join(f"| {code} | {meaning} |\n" for code, meaning in EXIT_CODES.items())
    group = typer.main.get_command(app)
    return _CLI_INTRO + codes + "".join(_commands(group, ""))


def settings_page() -> str:
    """Markdown of all settings: type, default, range and meaning."""
    meanings = _field_docstrings()
    rows = []
    for field in dataclasses.fields(Settings):
        low, high = settings_module._LIMITS.get(field.name, (None, None))
        allowed = f"{_number(low)} to {_number(high)}" if low is not None else ""
        allowed = ", ".join(f"`{choice}`" for choice in settings_module._CHOICES.get(field.name, ())) or allowed
        default = "" if field.default in (dataclasses.MISSING, "") else f"`{_number(field.default)}`"
        kind = {"Path": "path", "str": "text"}.get(str(field.type), str(field.type))
        rows.append(f"| `RAPPORT_{field.name.upper()}` | {kind} | {default} | {allowed} | {meanings[field.name]} |\n")
    return _SETTINGS_INTRO + "".join(rows)


def main(root: Path) -> None:
    (root / "docs" / "cli.md").write_text(cli_page())
    (root / "docs" / "settings.md").write_text(settings_page())
    (root / "docs" / "audit-report.schema.json").write_text(schema_text())


def _commands(group: Any, before: str) -> Iterator[str]:
    """The pages of a group's commands, each group before its own."""
    for name, command in group.commands.items():
        yield _command(before + name, command)
        if hasattr(command, "commands"):
            yield from _commands(command, f"{before}{name} ")


def _command(name: str, command: Any) -> str:
    help_text = inspect.cleandoc(command.help or "")
    about, _, example = help_text.rpartition("Example: ")
    lines = [f"\n## rapport {name}\n", about.strip() or help_text, "", "```sh", example.strip(), "```", ""]
    context = typer.Context(command, info_name=f"rapport {name}")
    rows = [record for parameter in command.get_params(context) if (record := parameter.get_help_record(context))]
    if rows:
        lines += ["| option | meaning |", "|---|---|"]
        lines += [f"| `{left.strip()}` | {right.strip()} |".replace("<", "&lt;") for left, right in rows]
        lines.append("")
    return "\n".join(lines)


def _field_docstrings() -> dict[str, str]:
    """The string after each field of Settings; Python itself forgets them."""
    tree = ast.parse(inspect.getsource(Settings))
    body = tree.body[0].body  # type: ignore[attr-defined]
    found = {}
    for field, text in itertools.pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            found[field.target.id] = " ".join(inspect.cleandoc(str(text.value.value)).split())  # type: ignore[union-attr]
    return found


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main(find_root(Path.cwd()))
    sys.exit(0)
