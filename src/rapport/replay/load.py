"""Reading mapping files: those that are shipped, by name, and one's own, by path; checked before a row is read."""

from __future__ import annotations

import copy
import difflib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from rapport.errors import MappingError
from rapport.events.schema import EVENT_TYPES
from rapport.replay.mapping import (
    Case,
    Condition,
    CustomerRule,
    EventIdRule,
    FieldRule,
    FileFormat,
    Mapping,
    TimeRule,
)
from rapport.replay.templates import template_columns
from rapport.replay.yaml_lines import LocatedYaml, read_yaml

__all__ = ["ResolvedCase", "cases_of", "field_rule", "load_mapping", "mapping_names"]

_FOLDER = Path(__file__).parent / "mappings"
_PATH = re.compile(r"(.*?) - at `\$(.*?)`$", re.DOTALL)
_GIVEN_ELSEWHERE = ("event_id", "customer_id", "event_time", "schema_version")
EPOCH_UNITS = ("seconds", "milliseconds", "microseconds")


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


def field_rule(rule: str | FieldRule) -> FieldRule:
    """A field's rule; a plain text names the column."""
    return FieldRule(column=rule) if isinstance(rule, str) else rule


def cases_of(mapping: Mapping) -> list[ResolvedCase]:
    """The mapping's cases, each complete; a mapping without cases is one case that takes every row."""
    resolved = []
    for case in mapping.cases or [Case()]:
        fields = {name: field_rule(rule) for name, rule in {**mapping.fields, **case.fields}.items()}
        topic = "" if case.reject else case.topic or mapping.topic or ""
        resolved.append(ResolvedCase(case, topic, fields if topic else {}))
    return resolved


def _checked(document: LocatedYaml) -> Mapping:
    try:
        mapping = msgspec.convert(document.value, Mapping)
    except msgspec.ValidationError as error:
        raise _explain(document, str(error)) from None
    _check_time(document, mapping)
    if (mapping.event_id.by == "column") != bool(mapping.event_id.column):
        raise document.error("`column` goes with `by: column`, and only with it", ".event_id")
    for index, case in enumerate(cases_of(mapping)):
        _check_case(document, mapping, case, f".cases[{index}]" if mapping.cases else "")
    return mapping


def _explain(document: LocatedYaml, text: str) -> MappingError:
    match = _PATH.match(text)
    message, path = match.groups() if match else (text, "")
    path = _name_keys(document, text, path)
    message = message.replace("Object", "the mapping") if not path else message
    unknown = re.search(r"unknown field `(.*?)`", message)
    if unknown:
        key = unknown.group(1)
        allowed = _allowed_keys(path)
        near = difflib.get_close_matches(key, allowed, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        return document.error(f"unknown key; {hint}Allowed here: {', '.join(allowed)}", f"{path}.{key}")
    return document.error(message, path)


def _name_keys(document: LocatedYaml, text: str, path: str) -> str:
    """The path with `[...]`, which stands for any key of a dictionary, replaced by the key that fails."""
    while "[...]" in path:
        before, _, after = path.partition("[...]")
        key = next((key for key in _keys_at(document.value, before) if _fails_alone(document, before, key, text)), None)
        if key is None:
            return before
        path = f"{before}.{key}{after}"
    return path


def _keys_at(value: object, path: str) -> list[str]:
    for index, key in re.findall(r"\[(\d+)\]|\.([^.\[]+)", path):
        value = value[int(index)] if isinstance(value, list) else value[key]  # type: ignore[index]
    return [str(key) for key in value] if isinstance(value, dict) else []


def _fails_alone(document: LocatedYaml, path: str, key: str, text: str) -> bool:
    value = copy.deepcopy(document.value)
    place = value
    for index, name in re.findall(r"\[(\d+)\]|\.([^.\[]+)", path):
        place = place[int(index)] if isinstance(place, list) else place[name]  # type: ignore[index]
    assert isinstance(place, dict)
    for other in [other for other in place if str(other) != key]:
        del place[other]
    try:
        msgspec.convert(value, Mapping)
    except msgspec.ValidationError as error:
        return str(error) == text
    return False


_KEYED: dict[str, type[msgspec.Struct]] = {
    "": Mapping,
    "format": FileFormat,
    "time": TimeRule,
    "customer": CustomerRule,
    "event_id": EventIdRule,
}


def _allowed_keys(path: str) -> list[str]:
    return [field.name for field in msgspec.structs.fields(_struct_at(path))]


def _struct_at(path: str) -> type[msgspec.Struct]:
    *_, parent, last = ["", *path.split(".")]
    if parent == "when":
        return Condition
    if parent == "fields":
        return FieldRule
    if last.startswith("cases["):
        return Case
    return _KEYED[last if last in _KEYED else ""]


def _check_time(document: LocatedYaml, mapping: Mapping) -> None:
    try:
        zone = ZoneInfo(mapping.time.zone)
    except (KeyError, ValueError, OSError):
        raise document.error(
            f"unknown time zone {mapping.time.zone!r}; write one of the tz database, such as UTC or Europe/London",
            ".time.zone",
        ) from None
    pattern = mapping.time.format
    if pattern == "iso" or pattern in EPOCH_UNITS:
        return
    try:
        moment = datetime(2001, 2, 3, 4, 5, 6, tzinfo=zone)
        parsed = datetime.strptime(moment.strftime(pattern), pattern).replace(tzinfo=UTC)
    except ValueError as error:
        raise document.error(f"not a strptime pattern: {error}", ".time.format") from None
    if "%" not in pattern or (parsed.year, parsed.month, parsed.day) != (2001, 2, 3):
        raise document.error(
            f"{pattern!r} does not give a whole date; allowed: iso, {', '.join(EPOCH_UNITS)}, or a strptime pattern "
            "such as %Y-%m-%d %H:%M:%S",
            ".time.format",
        )


def _check_case(document: LocatedYaml, mapping: Mapping, resolved: ResolvedCase, path: str) -> None:
    if resolved.case.reject:
        if resolved.case.topic or resolved.case.fields:
            raise document.error("a case that rejects has no topic and no fields", path)
        return
    if not resolved.topic:
        raise document.error(f"no topic, here or at the top; choose from {', '.join(EVENT_TYPES)}", path)
    known = {field.name: field for field in msgspec.structs.fields(EVENT_TYPES[resolved.topic])}
    own = [name for name in known if name not in _GIVEN_ELSEWHERE]
    for name, rule in resolved.fields.items():
        where = f"{path if name in resolved.case.fields else ''}.fields.{name}"
        if name not in own:
            raise document.error(f"{resolved.topic} has no such field; its fields are {', '.join(own)}", where)
        _check_field(document, rule, where)
    for name in own:
        if known[name].required and name not in resolved.fields:
            raise document.error(f"{resolved.topic} needs the field {name!r}: say where it comes from", path)


def _check_field(document: LocatedYaml, rule: FieldRule, path: str) -> None:
    sources = [rule.column, rule.constant, rule.template, rule.product]
    if sum(source is not None for source in sources) != 1:
        raise document.error("give exactly one of column, constant, template, product", path)
    if rule.product is not None and rule.type not in ("string", "decimal"):
        raise document.error("a product is a decimal; leave `type` out", f"{path}.type")
    if rule.negate and rule.product is None and rule.type not in ("integer", "decimal", "number"):
        raise document.error("only integer, decimal and number can be negated", f"{path}.negate")
    if rule.values and rule.column is None:
        raise document.error("`values` translates a column; there is none", f"{path}.values")
    if rule.template is not None:
        try:
            template_columns(rule.template)
        except ValueError as error:
            raise document.error(str(error), f"{path}.template") from None
