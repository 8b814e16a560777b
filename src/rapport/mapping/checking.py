"""Checking a mapping file before anything is mapped: errors name file, line, key, and what is allowed."""

from __future__ import annotations

import copy
import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import msgspec
from msgspec import inspect

from rapport.errors import MappingError
from rapport.events.schema import EVENT_TYPES
from rapport.mapping.rules import FieldRule, TimeRule
from rapport.mapping.templates import template_columns
from rapport.mapping.yaml_lines import LocatedYaml

__all__ = ["check_field", "check_fields", "check_time", "field_rule", "structure"]

_PATH = re.compile(r"(.*?) - at `\$(.*?)`$", re.DOTALL)
_ANY_KEY = "[...]"
_GIVEN_ELSEWHERE = ("event_id", "customer_id", "event_time", "schema_version")
_EPOCH_UNITS = ("seconds", "milliseconds", "microseconds")
S = TypeVar("S", bound=msgspec.Struct)


def structure(document: LocatedYaml, kind: type[S]) -> S:
    """A document as the struct that it is to be.

    Raises:
        MappingError: an unknown or missing key, or a value of another type.
    """
    try:
        return msgspec.convert(document.value, kind)
    except msgspec.ValidationError as error:
        raise _explain(document, kind, str(error)) from None


def field_rule(rule: str | FieldRule) -> FieldRule:
    """A field's rule; a plain text names the column."""
    return FieldRule(column=rule) if isinstance(rule, str) else rule


def check_time(document: LocatedYaml, rule: TimeRule, path: str) -> None:
    """Refuse a rule for times with a zone that is none, or a pattern that gives no whole date.

    Raises:
        MappingError
    """
    try:
        zone = ZoneInfo(rule.zone)
    except (KeyError, ValueError, OSError):
        raise document.error(
            f"unknown time zone {rule.zone!r}; write one of the tz database, such as UTC or Europe/London",
            f"{path}.zone",
        ) from None
    pattern = rule.format
    if pattern == "iso" or pattern in _EPOCH_UNITS:
        return
    try:
        moment = datetime(2001, 2, 3, 4, 5, 6, tzinfo=zone)
        parsed = datetime.strptime(moment.strftime(pattern), pattern).replace(tzinfo=UTC)
    except ValueError as error:
        raise document.error(f"not a strptime pattern: {error}", f"{path}.format") from None
    if "%" not in pattern or (parsed.year, parsed.month, parsed.day) != (2001, 2, 3):
        raise document.error(
            f"{pattern!r} does not give a whole date; allowed: iso, {', '.join(_EPOCH_UNITS)}, or a strptime pattern "
            "such as %Y-%m-%d %H:%M:%S",
            f"{path}.format",
        )


def check_fields(
    document: LocatedYaml, topic: str, fields: Mapping[str, FieldRule], own: tuple[str, Collection[str]]
) -> None:
    """Refuse fields that the topic's events do not have, rules that say nothing, and required fields without a rule.

    Args:
        document: the mapping file.
        topic: a topic of events.
        fields: all that a kind of row has, its own over those at the top.
        own: the path of that kind of row, and the names of the fields that are its own.

    Raises:
        MappingError
    """
    path, names = own
    known = {field.name: field for field in msgspec.structs.fields(EVENT_TYPES[topic])}
    allowed = [name for name in known if name not in _GIVEN_ELSEWHERE]
    for name, rule in fields.items():
        where = f"{path if name in names else ''}.fields.{name}"
        if name not in allowed:
            raise document.error(f"{topic} has no such field; its fields are {', '.join(allowed)}", where)
        check_field(document, rule, where)
    for name in allowed:
        if known[name].required and name not in fields:
            raise document.error(f"{topic} needs the field {name!r}: say where it comes from", path)


def check_field(document: LocatedYaml, rule: FieldRule, path: str) -> None:
    """Refuse a rule whose parts do not go together.

    Raises:
        MappingError
    """
    sources = [rule.column, rule.constant, rule.template, rule.product]
    if sum(source is not None for source in sources) != 1:
        raise document.error("give exactly one of column, constant, template, product", path)
    if rule.product is not None and rule.type not in ("string", "decimal"):
        raise document.error("a product is a decimal; leave `type` out", f"{path}.type")
    if rule.negate and rule.product is None and rule.type not in ("integer", "decimal", "number"):
        raise document.error("only integer, decimal and number can be negated", f"{path}.negate")
    if rule.values and rule.column is None:
        raise document.error("`values` translates a column; there is none", f"{path}.values")
    if rule.cut is not None and (rule.product is not None or rule.constant is not None or rule.type != "string"):
        raise document.error("only a text can be cut", f"{path}.cut")
    if rule.template is not None:
        try:
            template_columns(rule.template)
        except ValueError as error:
            raise document.error(str(error), f"{path}.template") from None


def _explain(document: LocatedYaml, kind: type[msgspec.Struct], text: str) -> MappingError:
    match = _PATH.match(text)
    message, path = match.groups() if match else (text, "")
    path = _name_keys(document, kind, text, path)
    message = message.replace("Object", "the mapping") if not path else message
    unknown = re.search(r"unknown field `(.*?)`", message)
    if unknown:
        key = unknown.group(1)
        allowed = _allowed_keys(kind, document.steps(path))
        near = difflib.get_close_matches(key, allowed, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        return document.error(f"unknown key; {hint}Allowed here: {', '.join(allowed)}", f"{path}.{key}")
    return document.error(message, path)


def _name_keys(document: LocatedYaml, kind: type[msgspec.Struct], text: str, path: str) -> str:
    """The path with `[...]`, which stands for any key of a dictionary, replaced by the key that fails."""
    while _ANY_KEY in path:
        before, _, after = path.partition(_ANY_KEY)
        steps = document.steps(before)
        place = _at(document.value, steps)
        keys = [str(key) for key in place] if isinstance(place, dict) else []
        key = next((key for key in keys if _fails_alone(document.value, kind, steps, key, text)), None)
        if key is None:
            return before
        path = f"{before}.{key}{after}"
    return path


def _fails_alone(value: object, kind: type[msgspec.Struct], steps: list[str | int], key: str, text: str) -> bool:
    value = copy.deepcopy(value)
    place = _at(value, steps)
    assert isinstance(place, dict)
    for other in [other for other in place if str(other) != key]:
        del place[other]
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        return str(error) == text
    return False


def _at(value: Any, steps: list[str | int]) -> Any:
    for step in steps:
        value = value[step]
    return value


def _allowed_keys(kind: type[msgspec.Struct], steps: list[str | int]) -> list[str]:
    found = [inspect.type_info(kind)]
    for step in steps:
        found = [inner for one in found for inner in _inside(one, step)]
    return [field.name for one in found for whole in _choices(one) for field in _fields(whole)]


def _inside(kind: inspect.Type, step: str | int) -> Iterator[inspect.Type]:
    for one in _choices(kind):
        if isinstance(one, inspect.ListType):
            yield one.item_type
        elif isinstance(one, inspect.DictType):
            yield one.value_type
        else:
            yield from (field.type for field in _fields(one) if field.name == step)


def _fields(kind: inspect.Type) -> tuple[inspect.Field, ...]:
    return kind.fields if isinstance(kind, inspect.StructType) else ()


def _choices(kind: inspect.Type) -> tuple[inspect.Type, ...]:
    return kind.types if isinstance(kind, inspect.UnionType) else (kind,)
