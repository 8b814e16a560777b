"""Reading mapping files: those that are shipped, by name, and one's own, by path; checked before a row is read."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from rapport.errors import MappingError
from rapport.events.schema import EVENT_TYPES
from rapport.mapping.checking import check_fields, check_time, field_rule, structure
from rapport.mapping.rules import FieldRule
from rapport.mapping.yaml_lines import LocatedYaml, read_yaml
from rapport.replay.mapping import Case, Mapping

__all__ = ["ResolvedCase", "cases_of", "load_mapping", "mapping_names"]

_FOLDER = Path(__file__).parent / "mappings"


@dataclass(frozen=True, slots=True)
class ResolvedCase:
    """A case with its topic and the fields of the whole mapping under its own; topic "" when it rejects."""

    case: Case
    topic: str
    fields: dict[str, FieldRule]


def mapping_names() -> list[str]:
    """Names of the shipped mappings."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def load_mapping(name_or_path: str | Path) -> Mapping:
    """Load a shipped mapping by its name, or any by its path (a text with a `/` or ending in .yaml or .yml).

    Raises:
        MappingError: no such mapping, not YAML, an unknown or missing key, a value that is not allowed; names file,
            line and key, and what is allowed.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or "/" in text or text.endswith((".yaml", ".yml")):
        return _checked(read_yaml(Path(text)))
    if text not in mapping_names():
        near = difflib.get_close_matches(text, mapping_names(), n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise MappingError(
            f"no mapping named {text!r}: {hint}Shipped are {', '.join(mapping_names())}; "
            "for one's own give the path of a .yaml file (docs/replay.md shows how to write one)"
        )
    return _checked(read_yaml(_FOLDER / f"{text}.yaml"))


def cases_of(mapping: Mapping) -> list[ResolvedCase]:
    """The mapping's cases, each complete; a mapping without cases is one case that takes every row."""
    resolved = []
    for case in mapping.cases or [Case()]:
        fields = {name: field_rule(rule) for name, rule in {**mapping.fields, **case.fields}.items()}
        topic = "" if case.reject else case.topic or mapping.topic or ""
        resolved.append(ResolvedCase(case, topic, fields if topic else {}))
    return resolved


def _checked(document: LocatedYaml) -> Mapping:
    mapping = structure(document, Mapping)
    check_time(document, mapping.time, ".time")
    if (mapping.event_id.by == "column") != bool(mapping.event_id.column):
        raise document.error("`column` goes with `by: column`, and only with it", ".event_id")
    for index, case in enumerate(cases_of(mapping)):
        _check_case(document, mapping, case, f".cases[{index}]" if mapping.cases else "")
    return mapping


def _check_case(document: LocatedYaml, mapping: Mapping, resolved: ResolvedCase, path: str) -> None:
    if resolved.case.reject:
        if resolved.case.topic or resolved.case.fields:
            raise document.error("a case that rejects has no topic and no fields", path)
        return
    if not resolved.topic:
        raise document.error(f"no topic, here or at the top; choose from {', '.join(EVENT_TYPES)}", path)
    check_fields(document, resolved.topic, resolved.fields, (path, resolved.case.fields))
