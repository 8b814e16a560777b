"""The policy: an ordered list of rules from a situation to a tone and a response template, kept in policy.yaml.

The first rule whose conditions all hold decides; `default` answers when none does. A condition is a value (equal), a
list (any of them) or limits (`at_least`, `below`). Everything is checked when the files are loaded.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import msgspec

from rapport.decisions.situation import FACTS, Situation, fact_kinds
from rapport.errors import PolicyError

__all__ = ["TONES", "Choice", "Policy", "load_policy", "parse_policy"]

TONES = ("neutral", "friendly", "enthusiastic", "empathetic", "apologetic", "concise", "formal")


class Choice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a rule decides."""

    tone: str
    template_id: str


class _Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    at_least: float | None = None
    below: float | None = None


_Scalar = bool | int | float | str
_Condition = _Limits | list[_Scalar] | _Scalar


class _Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    when: dict[str, _Condition]
    then: Choice


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: int
    default: Choice
    rules: list[_Rule]


_Test = Callable[[object], bool]


@dataclass(frozen=True, slots=True)
class _Compiled:
    name: str
    tests: tuple[tuple[str, _Test], ...]
    choice: Choice

    def holds(self, situation: Situation) -> bool:
        for fact, test in self.tests:
            value = getattr(situation, fact)
            if value is None or not test(value):
                return False
        return True


@dataclass(frozen=True, slots=True)
class Policy:
    """A checked policy."""

    rules: tuple[_Compiled, ...]
    default: Choice

    def choose(self, situation: Situation) -> tuple[str, Choice]:
        """The name of the deciding rule ("default" when none holds) and its choice."""
        for rule in self.rules:
            if rule.holds(situation):
                return rule.name, rule.choice
        return "default", self.default


def load_policy(path: Path, templates: Collection[str]) -> Policy:
    """The policy of a file.

    Args:
        templates: the template ids that there are.

    Raises:
        PolicyError: the file is absent or wrong; names the rule, the value and what is allowed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path}: cannot be read: {error}") from None
    return parse_policy(text, templates, where=str(path))


def parse_policy(text: str, templates: Collection[str], *, where: str = "policy") -> Policy:
    """The policy in `text` (YAML). Errors as `load_policy`."""
    import yaml

    try:
        file = msgspec.yaml.decode(text, type=_File)
    except (msgspec.MsgspecError, yaml.YAMLError) as error:
        raise PolicyError(f"{where}: {error}") from None
    if file.version != 1:
        raise PolicyError(f"{where}: version {file.version} is not known; 1 is")
    _check_choice(file.default, templates, f"{where}, default")
    names: set[str] = set()
    for rule in file.rules:
        if rule.name in names or rule.name == "default":
            raise PolicyError(f"{where}: two rules are named {rule.name!r} (default counts): give each its own name")
        names.add(rule.name)
    return Policy(tuple(_compile(rule, templates, where) for rule in file.rules), file.default)


def _compile(rule: _Rule, templates: Collection[str], where: str) -> _Compiled:
    place = f"{where}, rule {rule.name!r}"
    if not rule.when:
        raise PolicyError(f"{place}: `when` is empty, so no later rule could ever decide: make it the default")
    _check_choice(rule.then, templates, place)
    return _Compiled(
        rule.name, tuple((fact, _test(place, fact, condition)) for fact, condition in rule.when.items()), rule.then
    )


def _check_choice(choice: Choice, templates: Collection[str], place: str) -> None:
    if choice.tone not in TONES:
        raise PolicyError(f"{place}: unknown tone {choice.tone!r}; allowed: {', '.join(TONES)}")
    if choice.template_id not in templates:
        raise PolicyError(
            f"{place}: unknown template {choice.template_id!r}{_near(choice.template_id, templates)}; "
            f"templates.yaml has: {', '.join(sorted(templates))}"
        )


def _test(place: str, fact: str, condition: _Condition) -> _Test:
    kind = FACTS.get(fact)
    if kind is None:
        raise PolicyError(f"{place}: unknown fact {fact!r}{_near(fact, FACTS)}; facts: {fact_kinds()}")
    if isinstance(condition, _Limits):
        return _limits_test(place, fact, kind, condition)
    values = condition if isinstance(condition, list) else [condition]
    if not values:
        raise PolicyError(f"{place}: {fact}: the list is empty, so the rule could never decide")
    for value in values:
        if type(value) is not kind and not (kind is float and type(value) is int):
            raise PolicyError(f"{place}: {fact}: {value!r} is not a {kind.__name__}")
    allowed = frozenset(values)
    return lambda value: value in allowed


def _limits_test(place: str, fact: str, kind: type, limits: _Limits) -> _Test:
    if kind not in (int, float):
        raise PolicyError(f"{place}: {fact} is a {kind.__name__}: limits are for numbers; give a value or a list")
    low = float("-inf") if limits.at_least is None else limits.at_least
    high = float("inf") if limits.below is None else limits.below
    if limits.at_least is None and limits.below is None:
        raise PolicyError(f"{place}: {fact}: give `at_least`, `below` or both")
    if not low < high:
        raise PolicyError(f"{place}: {fact}: at_least {low:g} and below {high:g} leave nothing between them")
    return lambda value: low <= value < high  # type: ignore[operator]


def _near(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
