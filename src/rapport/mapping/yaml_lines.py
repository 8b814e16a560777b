"""YAML that remembers its lines, so that an error about a value can name the line it is on."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from rapport.errors import MappingError

__all__ = ["LocatedYaml", "parse_yaml", "read_yaml"]

_FAST = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's where it is there, ten times as fast; of what is wrong the other one names the better line."""
_INDEX = re.compile(r"\[(\d+)\]")


class LocatedYaml:
    """A YAML document: its plain value, and the line of any path in it."""

    def __init__(self, file: str, value: object, node: yaml.Node | None) -> None:
        self.file = file
        self.value = value
        self._node = node

    def error(self, message: str, path: str = "") -> MappingError:
        """A MappingError that names the file, the line and the key of `path`, a path like `.rules[1].when`."""
        where = f"{self.file}, line {self.line(path)}"
        key = path.lstrip(".")
        return MappingError(f"{where}, {key}: {message}" if key else f"{where}: {message}")

    def line(self, path: str) -> int:
        """The line, from 1, of the deepest part of `path` that the document has."""
        node, line = self._node, 1
        for step in self.steps(path):
            node = _child(node, step)
            if node is None:
                break
            line = node.start_mark.line + 1
        return line

    def steps(self, path: str) -> list[str | int]:
        """The keys and indexes that `path` goes through, as far as the document has them. A key may hold points."""
        found: list[str | int] = []
        value, rest = self.value, path
        while rest:
            step = _step(value, rest)
            if step is None:
                break
            found.append(step)
            rest = rest[len(f"[{step}]") :] if isinstance(step, int) else rest[1 + len(step) :]
            value = value[step]  # type: ignore[index]
        return found


def read_yaml(path: Path) -> LocatedYaml:
    """Read a YAML file of plain values (no tags, no duplicate keys).

    Raises:
        MappingError: the file cannot be read, or is not YAML; names the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MappingError(f"{path}: cannot be read as a mapping file: {error}") from None
    return parse_yaml(text, str(path))


def parse_yaml(text: str, where: str) -> LocatedYaml:
    """Plain values of YAML text; `where` names it in errors, which are those of `read_yaml`."""
    try:
        try:
            node, value = _parsed(text, _FAST)
        except yaml.YAMLError:
            node, value = _parsed(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise MappingError(f"{where}{line}: not valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise MappingError(f"{where}: not valid YAML: {error}") from None
    located = LocatedYaml(where, value, node)
    _refuse_duplicates(located, node)
    return located


def _parsed(text: str, loader: type[yaml.SafeLoader]) -> tuple[yaml.Node | None, object]:
    return yaml.compose(text, Loader=loader), yaml.load(text, Loader=loader)  # noqa: S506


def _step(value: object, rest: str) -> str | int | None:
    """The next key or index of a path."""
    if isinstance(value, list) and (match := _INDEX.match(rest)) and int(match[1]) < len(value):
        return int(match[1])
    if isinstance(value, dict) and rest.startswith("."):
        fitting = [str(key) for key in value if f"{rest[1:]}.".startswith((f"{key}.", f"{key}["))]
        return max(fitting, key=len, default=None)
    return None


def _child(node: yaml.Node | None, step: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
        item: yaml.Node = node.value[step]
        return item
    if isinstance(node, yaml.MappingNode):
        return next((value for name, value in node.value if name.value == step), None)
    return None


def _refuse_duplicates(located: LocatedYaml, node: yaml.Node | None) -> None:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_duplicates(located, item)
    elif isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise MappingError(f"{located.file}, line {line}: the key {key.value!r} is there twice; keep one")
            seen.add(key.value)
            _refuse_duplicates(located, value)
