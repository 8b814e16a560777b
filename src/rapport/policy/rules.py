"""The policy: an ordered list of rules from a situation to a tone, a template, an offer and the next best action."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from msgspec import UNSET

from rapport.decisions.record import Chosen
from rapport.decisions.situation import Situation
from rapport.policy.conditions import FactTest, WrongCondition, make_test
from rapport.policy.declared import PolicyFile, Rule, Then
from rapport.policy.reading import Source, near, read

__all__ = ["DEFAULT", "CompiledRule", "Outcome", "Policy", "parse_policy"]

DEFAULT = "default"
"""The name of what decides when no rule holds."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was chosen."""

    tone: str
    template: str
    offer: Chosen | None
    next_action: Chosen


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """A checked rule."""

    name: str
    tests: tuple[FactTest, ...]
    outcome: Outcome

    def failed(self, situation: Situation) -> FactTest | None:
        """The first condition that does not hold; None when all do."""
        for test in self.tests:
            if not test.passes(situation):
                return test
        return None


@dataclass(frozen=True, slots=True)
class Policy:
    """A checked policy.

    Attributes:
        version: the declared one.
    """

    version: str
    rules: tuple[CompiledRule, ...]
    default: Outcome

    def choose(self, situation: Situation) -> tuple[str, Outcome]:
        """The name of the deciding rule (DEFAULT when none holds) and what it chooses."""
        for rule in self.rules:
            if rule.failed(situation) is None:
                return rule.name, rule.outcome
        return DEFAULT, self.default


def parse_policy(data: bytes, templates: Collection[str], *, where: str = "policy.yaml") -> Policy:
    """The policy in a file's bytes.

    Args:
        templates: the template ids that there are.

    Raises:
        PolicyError: names the line, the rule, the field, the value and what is allowed.
    """
    file, source = read(data, where, PolicyFile)
    things = _Things(file, templates, source)
    if file.default.next_action is UNSET:
        raise source.error(f"give the default's next_action; declared: {', '.join(file.actions)}", ".default")
    default = things.outcome(file.default, ".default", "default", None)
    names: set[str] = set()
    rules = []
    for at, rule in enumerate(file.rules):
        path, about = f".rules[{at}]", f"rule {rule.name!r}"
        if rule.name in names or rule.name == DEFAULT:
            raise source.error(f"two rules are named {rule.name!r} (default counts): give each its own name", path)
        names.add(rule.name)
        tests = _tests(rule, source, path, about)
        rules.append(CompiledRule(rule.name, tests, things.outcome(rule.then, f"{path}.then", about, default)))
    return Policy(file.version, tuple(rules), default)


def _tests(rule: Rule, source: Source, path: str, about: str) -> tuple[FactTest, ...]:
    if not rule.when:
        raise source.error(
            "`when` is empty, so no later rule could ever decide: make it the default", f"{path}.when", about=about
        )
    tests = []
    for fact, condition in rule.when.items():
        try:
            tests.append(make_test(fact, condition))
        except WrongCondition as wrong:
            place = f"{about}, field when.{fact[:80]}"
            raise source.error(str(wrong), f"{path}.when.{fact}", about=place) from None
    return tuple(tests)


class _Things:
    """What rules may choose from."""

    def __init__(self, file: PolicyFile, templates: Collection[str], source: Source) -> None:
        self._offers = {name: Chosen(name, thing.values) for name, thing in file.offers.items()}
        self._actions = {name: Chosen(name, thing.values) for name, thing in file.actions.items()}
        self._templates = templates
        self._source = source

    def outcome(self, then: Then, path: str, about: str, default: Outcome | None) -> Outcome:
        """What `then` chooses, all filled in from the default."""
        self._check("template", then.template, self._templates, path, about)
        offer, action = (default.offer, default.next_action) if default else (None, Chosen(""))
        if then.offer is not UNSET:
            offer = self._named("offer", then.offer, self._offers, path, about) if then.offer is not None else None
        if then.next_action is not UNSET:
            action = self._named("next_action", then.next_action, self._actions, path, about)
        return Outcome(then.tone, then.template, offer, action)

    def _named(self, field: str, name: str, known: Mapping[str, Chosen], path: str, about: str) -> Chosen:
        self._check(field, name, known, path, about)
        return known[name]

    def _check(self, field: str, name: str, known: Collection[str], path: str, about: str) -> None:
        if name not in known:
            text = f"unknown {field} {name[:80]!r}{near(name, known)}; there are: {', '.join(sorted(known)) or 'none'}"
            place = f"{about}, field {path.rpartition('.')[2]}.{field}"
            raise self._source.error(text, f"{path}.{field}", about=place)
