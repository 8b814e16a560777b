"""Noise: events that declared rules drop before they are kept. Each drop is counted under its rule's name.

A rule drops an event when all of its conditions hold. What repeats and what is too much is judged by the events' own
times, so that the same events give the same answer however late they come; an event that comes again itself is never
dropped for its first copy, for that copy's answer may have been lost.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from rapport.clock import to_us
from rapport.errors import MappingError
from rapport.events.fields import allowed_fields
from rapport.events.schema import TOPICS, Event

__all__ = ["Noise", "Rule", "load_rules"]

_MAX_REMEMBERED = 40_000
"""Events that all rules together remember, some 8 MB. What was used least lately is forgotten, which keeps an event,
never drops one."""
_MAX_EVENT_IDS = 1_000
Name = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,39}$")]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]


class Repeated(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An event whose `fields` are those of one that was kept less than `within_s` before or after it."""

    fields: Annotated[list[str], Meta(min_length=1, max_length=10)]
    within_s: Seconds


class MoreThan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What comes after `events` events of the same `per` in the same `within_s` seconds, counted from 1970."""

    events: Annotated[int, Meta(ge=1, le=_MAX_EVENT_IDS)]
    per: str
    within_s: Seconds


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule. `where`: field to patterns as of a shell (`*`, `?`), of which one has to match. `user_agent`: texts of
    which the request's User-Agent holds one, whatever their case. `refused`: a field for whose value the event would be
    refused; such a rule drops what would become a dead letter, the others see only what would not."""

    name: Name
    topic: str
    where: dict[str, list[str]] = {}
    user_agent: list[str] = []
    repeated: Repeated | None = None
    more_than: MoreThan | None = None
    refused: str | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    drop: Annotated[list[Rule], Meta(max_length=100)]


def load_rules(path: Path) -> list[Rule]:
    """The rules of a YAML file, `drop: [rule, …]`.

    Raises:
        MappingError: names the rule, the value and what is allowed.
    """
    import yaml

    try:
        rules = msgspec.convert(yaml.safe_load(path.read_text()), _File).drop
    except OSError as error:
        raise MappingError(f"the rules cannot be read: {error}") from error
    except (yaml.YAMLError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise MappingError(f"{path}: {error}") from error
    for number, rule in enumerate(rules):
        _check(path, rule)
        if rule.name in {other.name for other in rules[:number]}:
            raise MappingError(f"{path}: two rules have the name {rule.name!r}; what they drop is counted by name")
    return rules


class Noise:
    """Judges events by rules. Of one thread."""

    def __init__(self, rules: list[Rule]) -> None:
        self._good: dict[str, list[tuple[str, _Test]]] = {topic: [] for topic in TOPICS}
        self._refused: dict[tuple[str, str], list[Rule]] = {}
        room = _MAX_REMEMBERED // max(1, sum(bool(rule.repeated) + bool(rule.more_than) for rule in rules))
        for rule in rules:
            if rule.refused is None:
                self._good[rule.topic].append((rule.name, _test(rule, room)))
            else:
                self._refused.setdefault((rule.topic, rule.refused), []).append(rule)

    def rule_of(self, topic: str, event: Event, user_agent: str) -> str | None:
        """The name of the first rule that drops an event; None: none does."""
        return next((name for name, test in self._good[topic] if test(event, user_agent)), None)

    def rule_of_refused(self, topic: str, field: str, user_agent: str) -> str | None:
        """The name of the first rule that drops what is refused for a field; None: none does."""
        rules = self._refused.get((topic, field), ())
        return next((rule.name for rule in rules if _agent_fits(rule, user_agent)), None)


_Test = Callable[[Event, str], bool]


def _test(rule: Rule, room: int) -> _Test:
    repeated = _Repeats(rule.repeated, room) if rule.repeated else None
    more = _Rate(rule.more_than, room) if rule.more_than else None

    def test(event: Event, user_agent: str) -> bool:
        return (
            _agent_fits(rule, user_agent)
            and all(_fits(getattr(event, name), given) for name, given in rule.where.items())
            and (more is None or more(event))
            and (repeated is None or repeated(event))
        )

    return test


class _Repeats:
    def __init__(self, rule: Repeated, room: int) -> None:
        self._fields = rule.fields
        self._within_us = round(rule.within_s * 1e6)
        self._room = room
        self._kept: OrderedDict[int, tuple[int, int]] = OrderedDict()
        """By the fields' hash: time and hashed id of the event that was kept."""

    def __call__(self, event: Event) -> bool:
        key = hash(tuple(getattr(event, name) for name in self._fields))
        time_us, this = to_us(event.event_time), hash(event.event_id)
        kept = self._kept.get(key)
        if kept is not None and kept[1] != this and abs(time_us - kept[0]) < self._within_us:
            return True
        self._kept[key] = time_us, this
        self._kept.move_to_end(key)
        if len(self._kept) > self._room:
            self._kept.popitem(last=False)
        return False


class _Rate:
    def __init__(self, rule: MoreThan, room: int) -> None:
        self._rule = rule
        self._within_us = round(rule.within_s * 1e6)
        self._room = room
        self._seen: OrderedDict[int, set[int]] = OrderedDict()
        """By the hash of value and time: hashed ids of the events that were kept."""

    def __call__(self, event: Event) -> bool:
        value = getattr(event, self._rule.per)
        if value is None:
            return False
        key = hash((value, to_us(event.event_time) // self._within_us))
        seen = self._seen.setdefault(key, set())
        self._seen.move_to_end(key)
        this = hash(event.event_id)
        if this in seen:
            return False
        if len(seen) >= self._rule.events:
            return True
        seen.add(this)
        self._room -= 1
        while self._room < 0:
            self._room += len(self._seen.popitem(last=False)[1])
        return False


def _agent_fits(rule: Rule, user_agent: str) -> bool:
    return not rule.user_agent or any(part.lower() in user_agent.lower() for part in rule.user_agent)


def _fits(value: Any, patterns: list[str]) -> bool:
    return value is not None and any(fnmatchcase(str(value), pattern) for pattern in patterns)


def _check(path: Path, rule: Rule) -> None:
    def one_of(what: str, value: str, known: list[str]) -> None:
        if value not in known:
            raise MappingError(f"{path}: rule {rule.name!r}: {what} {value!r} is none of {', '.join(known)}")

    one_of("topic", rule.topic, list(TOPICS))
    fields = list(allowed_fields(rule.topic))
    for name in [*rule.where, *(rule.repeated.fields if rule.repeated else ())]:
        one_of("field", name, fields)
    if rule.more_than is not None:
        one_of("`more_than.per`", rule.more_than.per, fields)
    judges = rule.where or rule.repeated or rule.more_than
    if rule.refused is not None:
        one_of("`refused`", rule.refused, fields)
        if judges:
            raise MappingError(
                f"{path}: rule {rule.name!r}: `refused` goes with `user_agent` only, for the event has no values"
            )
    elif not judges and not rule.user_agent:
        raise MappingError(f"{path}: rule {rule.name!r} has no condition: it would drop all of {rule.topic}")
