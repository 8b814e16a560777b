"""`feature_repo/triggers.yaml`: read, and checked as far as that can be done without the Feast registry.

Feast imports every Python file of a repository, but no YAML: what is declared here is Rapport's alone.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from pathlib import Path
from string import Formatter
from typing import Any, NamedTuple

import msgspec

from rapport.errors import DeclarationError
from rapport.events.columns import BASE, COLUMNS
from rapport.triggers.declared import (
    Cap,
    Condition,
    EventMatch,
    FeatureTest,
    Limits,
    OnAbsence,
    OnDrop,
    OnEvent,
    OnFeatures,
    Scalar,
    Trigger,
)
from rapport.triggers.durations import parse_duration
from rapport.triggers.file import FILE
from rapport.windows.view import Kind

__all__ = ["Declared", "load_triggers", "parse_triggers"]

_MOST = 100
_MOST_SENT = 100
_SECOND_US = 1_000_000
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_FEATURE = re.compile(r"(\w+):(\w+)")
_PATH = re.compile(r"^(?P<what>.*?) - at `\$(?P<path>.*)`$", re.DOTALL)
_TYPES: dict[Kind, tuple[type, ...]] = {
    Kind.INT: (int,),
    Kind.FLOAT: (int, float),
    Kind.STRING: (str,),
    Kind.BOOL: (bool,),
}


class _Closed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class _Limits(_Closed, frozen=True):
    at_least: float | None = None
    below: float | None = None


class _Match(_Closed, frozen=True):
    topic: str
    where: dict[str, _Limits | list[Scalar] | Scalar] = {}


class _Absence(_Closed, frozen=True):
    after: _Match
    without: list[_Match]
    for_: str = msgspec.field(name="for")


class _Test(_Closed, frozen=True):
    feature: str
    minus: str = ""
    name: str = ""
    at_least: float | None = None
    below: float | None = None


class _Features(_Closed, frozen=True):
    event: _Match  # not `on`, which YAML reads as true
    when: list[_Test]


class _Drop(_Closed, frozen=True):
    activity: _Match
    recent: str
    habit: str
    every: str
    chance: float = 0.001
    clump: float = 1.0


class _Trigger(_Closed, frozen=True):
    name: str
    reason: str
    description: str = ""
    quiet: str = "1 h"
    expires: str = "1 d"
    columns: list[str] = []
    decide: bool = False
    event: _Match | None = None
    absence: _Absence | None = None
    features: _Features | None = None
    drop: _Drop | None = None


class _Cap(_Closed, frozen=True):
    at_most: int
    within: str


class _File(_Closed, frozen=True):
    version: int
    triggers: list[_Trigger]
    cap: _Cap | None = None


_STRUCTS: dict[str, type[_Closed]] = {
    "": _File,
    "triggers": _Trigger,
    "cap": _Cap,
    "absence": _Absence,
    "features": _Features,
    "drop": _Drop,
    "when": _Test,
    **dict.fromkeys(("event", "after", "without", "activity"), _Match),
}
"""By the last key of its path, what an object of the file may have."""


class Declared(NamedTuple):
    """What the file declares."""

    triggers: tuple[Trigger, ...] = ()
    cap: Cap | None = None
    """How often a customer is sent what triggers decide; None: no limit is declared."""


def load_triggers(root: Path) -> Declared:
    """What the project in `root` declares; nothing when it has no such file.

    Raises:
        DeclarationError: the file is wrong; names the trigger, the field, the value and what is allowed.
    """
    text = _text(root)
    return Declared() if text is None else parse_triggers(text)


def parse_triggers(text: str) -> Declared:
    """What a YAML text declares. Errors as of `load_triggers`."""
    file = _parsed(text)
    cap = _cap(file.cap)
    if len(file.triggers) > _MOST:
        raise DeclarationError(f"{FILE}: {len(file.triggers)} triggers are too many; at most {_MOST}")
    names: set[str] = set()
    for trigger in file.triggers:
        if trigger.name in names:
            raise DeclarationError(f"{FILE}: two triggers are named {trigger.name!r}: give each its own name")
        names.add(trigger.name)
    return Declared(tuple(map(_trigger, file.triggers)), cap)


def _cap(given: _Cap | None) -> Cap | None:
    if given is None:
        return None
    if not 1 <= given.at_most <= _MOST_SENT:
        raise DeclarationError(f"{FILE}, cap.at_most: {given.at_most} is out of range: 1 to {_MOST_SENT} is allowed")
    return Cap(given.at_most, parse_duration(given.within, f"{FILE}, cap.within", least_us=_SECOND_US))


def _text(root: Path) -> str | None:
    """The file's text; None when there is no file."""
    path = root / FILE
    if not path.is_file():
        return None
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DeclarationError(f"{FILE} cannot be read: {error}") from None


def _parsed(text: str) -> _File:
    import yaml

    try:
        file = msgspec.yaml.decode(text, type=_File)
    except msgspec.ValidationError as error:
        raise DeclarationError(f"{FILE}: {_explain(str(error))}") from None
    except (msgspec.MsgspecError, yaml.YAMLError) as error:
        raise DeclarationError(f"{FILE} is not YAML: {error}") from None
    if file.version != 1:
        raise DeclarationError(f"{FILE}: version {file.version} is not known; 1 is")
    return file


def _explain(error: str) -> str:
    match = _PATH.match(error)
    what, path = (match["what"], match["path"]) if match else (error, "")
    keys = re.findall(r"\.(\w+)", path)
    struct = _STRUCTS.get(keys[-1] if keys else "")
    known = ""
    if struct and "unknown field" in what:
        known = f"; allowed here: {', '.join(struct.__struct_encode_fields__)}"
    return f"{what}{known}{f' (at {path[1:]})' if path else ''}"


def _trigger(given: _Trigger) -> Trigger:
    where = f"{FILE}, trigger {given.name[:80]!r}"
    if not _NAME.fullmatch(given.name):
        raise DeclarationError(f"{where}: a name is of 1 to 64 small letters, digits and _, and begins with a letter")
    kinds = [kind for kind in ("event", "absence", "features", "drop") if getattr(given, kind) is not None]
    if len(kinds) != 1:
        raise DeclarationError(
            f"{where}: give exactly one of event, absence, features and drop; it has {' and '.join(kinds) or 'none'}"
        )
    on = _KINDS[kinds[0]](getattr(given, kinds[0]), where)
    trigger = Trigger(
        name=given.name,
        description=given.description,
        reason=given.reason,
        quiet_us=parse_duration(given.quiet, f"{where}, quiet"),
        expires_us=parse_duration(given.expires, f"{where}, expires", least_us=_SECOND_US),
        columns=tuple(given.columns),
        on=on,
        decide=given.decide,
    )
    _check_columns(trigger, where)
    _check_reason(trigger, where)
    return trigger


def _event(given: _Match, where: str) -> OnEvent:
    return OnEvent(_match(given, f"{where}, event"))


def _absence(given: _Absence, where: str) -> OnAbsence:
    if not given.without:
        raise DeclarationError(f"{where}, absence: `without` is empty: say which events are waited for")
    return OnAbsence(
        _match(given.after, f"{where}, absence.after"),
        tuple(_match(one, f"{where}, absence.without") for one in given.without),
        parse_duration(given.for_, f"{where}, absence.for", least_us=_SECOND_US),
    )


def _features(given: _Features, where: str) -> OnFeatures:
    if not given.when:
        raise DeclarationError(f"{where}, features: `when` is empty: say which feature has to be beyond which limit")
    tests = tuple(_test(test, f"{where}, features.when") for test in given.when)
    if len({test.name for test in tests}) < len(tests):
        raise DeclarationError(f"{where}, features.when: two tests have one name: give each a `name` of its own")
    return OnFeatures(_match(given.event, f"{where}, features.event"), tests)


def _drop(given: _Drop, where: str) -> OnDrop:
    if not 0 < given.chance <= 0.5:
        raise DeclarationError(f"{where}, drop.chance: {given.chance:g} is out of range: above 0 to 0.5 is allowed")
    if not 1 <= given.clump <= 1e6:
        raise DeclarationError(f"{where}, drop.clump: {given.clump:g} is out of range: 1 to 1,000,000 is allowed")
    return OnDrop(
        _match(given.activity, f"{where}, drop.activity"),
        _feature(given.recent, f"{where}, drop.recent"),
        _feature(given.habit, f"{where}, drop.habit"),
        given.chance,
        given.clump,
        parse_duration(given.every, f"{where}, drop.every", least_us=60 * _SECOND_US),
    )


_KINDS: dict[str, Any] = {"event": _event, "absence": _absence, "features": _features, "drop": _drop}


def _test(given: _Test, where: str) -> FeatureTest:
    feature = _feature(given.feature, where)
    minus = _feature(given.minus, where) if given.minus else None
    name = given.name or feature[1]
    return FeatureTest(name, feature, minus, _limits(given.at_least, given.below, f"{where}, {name}"))


def _feature(text: str, where: str) -> tuple[str, str]:
    match = _FEATURE.fullmatch(text)
    if match is None:
        raise DeclarationError(f"{where}: {text[:80]!r} is no feature; write view:feature, as carts:cart_adds_1h")
    return match[1], match[2]


def _match(given: _Match, where: str) -> EventMatch:
    if given.topic not in COLUMNS:
        raise DeclarationError(
            f"{where}: unknown topic {given.topic[:80]!r}{_near(given.topic, COLUMNS)}; topics: {', '.join(COLUMNS)}"
        )
    kinds = {**BASE, **COLUMNS[given.topic]}
    conditions = []
    for column, condition in given.where.items():
        _check_column(given.topic, column, where)
        conditions.append((column, _condition(condition, kinds[column], f"{where}, {column}")))
    return EventMatch(given.topic, tuple(conditions))


def _condition(given: _Limits | list[Scalar] | Scalar, kind: Kind, where: str) -> Condition:
    if isinstance(given, _Limits):
        if kind not in (Kind.INT, Kind.FLOAT):
            raise DeclarationError(f"{where} is a {kind.name.lower()}: limits are for numbers; give a value or a list")
        return _limits(given.at_least, given.below, where)
    values = given if isinstance(given, list) else [given]
    if not values:
        raise DeclarationError(f"{where}: the list is empty, so no event would match")
    for value in values:
        if type(value) not in _TYPES[kind]:
            raise DeclarationError(f"{where}: {value!r} is not of the column's kind, {kind.name.lower()}")
    return tuple(values)


def _limits(at_least: float | None, below: float | None, where: str) -> Limits:
    if at_least is None and below is None:
        raise DeclarationError(f"{where}: give `at_least`, `below` or both")
    low = float("-inf") if at_least is None else at_least
    high = float("inf") if below is None else below
    if not low < high:
        raise DeclarationError(f"{where}: at_least {low:g} and below {high:g} leave nothing between them")
    return Limits(low, high)


def _check_columns(trigger: Trigger, where: str) -> None:
    if isinstance(trigger.on, OnDrop) and trigger.columns:
        raise DeclarationError(f"{where}, columns: a drop has no event whose columns could be given")
    for column in trigger.columns:
        if column == "customer_id":
            raise DeclarationError(f"{where}, columns: a firing has the customer_id anyway, its reason never")
        _check_column(trigger.cause.topic, column, f"{where}, columns")


def _check_column(topic: str, column: str, where: str) -> None:
    kinds = {**BASE, **COLUMNS[topic]}
    if column not in kinds:
        raise DeclarationError(
            f"{where}: {topic} has no column {column[:80]!r}{_near(column, kinds)}; columns: {', '.join(kinds)}"
        )


def _check_reason(trigger: Trigger, where: str) -> None:
    known = {"event_time", *trigger.columns}
    match trigger.on:
        case OnAbsence():
            known.add("for")
        case OnFeatures(when=tests):
            known |= {test.name for test in tests}
        case OnDrop():
            known = {"recent", "expected", "chance"}
        case OnEvent():
            pass
    if not trigger.reason.strip() or len(trigger.reason) > 500:
        raise DeclarationError(f"{where}, reason: give 1 to 500 characters")
    try:
        fields = [field for field in Formatter().parse(trigger.reason) if field[1] is not None]
    except ValueError as error:
        raise DeclarationError(f"{where}, reason: {error}; braces hold the name of a value: {{event_time}}") from None
    for _, name, form, conversion in fields:
        if name not in known or form or conversion:
            raise DeclarationError(
                f"{where}, reason: {{{name}{':' + form if form else ''}}} is no value of it; "
                f"there are {', '.join(sorted(known))}"
            )


def _near(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
