"""The policy: an ordered list of rules from a situation to a tone, a template, an offer and the next best action."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from msgspec import UNSET

from rapport.decisions.record import Chosen
from rapport.decisions.situation import Situation
from rapport.policy.conditions import FactTest, WrongCondition, make_test
from rapport.policy.declared import PolicyFile, Rule, Then, Tone
from rapport.policy.experiments import CompiledExperiment, compile_experiments
from rapport.policy.reading import Source, near, read

__all__ = ["DEFAULT", "CompiledRule", "Outcome", "Policy", "parse_policy"]

DEFAULT = "default"
"""The name of what decides when no rule holds."""
_NOTHING: Mapping[str, str] = MappingProxyType({})
_SAME: Mapping[Tone, Tone] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was chosen."""

    tone: Tone
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
        silent: actions that are not sent to a customer who has not asked.
        experiments: those that run.
    """

    version: str
    rules: tuple[CompiledRule, ...]
    default: Outcome
    silent: frozenset[str] = frozenset()
    experiments: tuple[CompiledExperiment, ...] = ()

    def choose(self, situation: Situation) -> tuple[str, Outcome]:
        """The name of the deciding rule (DEFAULT when none holds) and what it chooses for the customer's arms."""
        for rule in self.rules:
            if rule.failed(situation) is None:
                return rule.name, self._in_arms(rule.outcome, situation.arms)
        return DEFAULT, self._in_arms(self.default, situation.arms)

    def arms_of(self, customer_id: str) -> dict[str, str]:
        """The customer's arm of each experiment."""
        return {one.name: one.arm_of(customer_id) for one in self.experiments}

    def _in_arms(self, outcome: Outcome, arms: Mapping[str, str]) -> Outcome:
        for one in self.experiments if arms else ():
            arm = arms.get(one.name, "")
            template = one.templates.get(arm, _NOTHING).get(outcome.template, outcome.template)
            tone = one.tones.get(arm, _SAME).get(outcome.tone, outcome.tone)
            if (template, tone) != (outcome.template, outcome.tone):
                outcome = replace(outcome, template=template, tone=tone)
        return outcome


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
    arms = {name: tuple(one.arms) for name, one in file.experiments.items()}
    names: set[str] = set()
    rules = []
    for at, rule in enumerate(file.rules):
        path, about = f".rules[{at}]", f"rule {rule.name!r}"
        if rule.name in names or rule.name == DEFAULT:
            raise source.error(f"two rules are named {rule.name!r} (default counts): give each its own name", path)
        names.add(rule.name)
        tests = _tests(rule, arms, source, path, about)
        rules.append(CompiledRule(rule.name, tests, things.outcome(rule.then, f"{path}.then", about, default)))
    silent = frozenset(name for name, action in file.actions.items() if not action.push)
    experiments = compile_experiments(file.experiments, templates, source)
    return Policy(file.version, tuple(rules), default, silent, experiments)


def _tests(
    rule: Rule, arms: Mapping[str, Collection[str]], source: Source, path: str, about: str
) -> tuple[FactTest, ...]:
    if not rule.when:
        raise source.error(
            "`when` is empty, so no later rule could ever decide: make it the default", f"{path}.when", about=about
        )
    tests = []
    for fact, condition in rule.when.items():
        try:
            tests.append(make_test(fact, condition, arms))
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
