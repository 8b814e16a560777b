"""From a payload to events: a mapping, compiled.

A payload is taken whole or not at all: where one of its events cannot be made, it gives none. It can then be mapped
again, once the mapping is right, without giving anything twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from rapport.clock import to_us
from rapport.errors import EventError
from rapport.events.decode import decode
from rapport.events.schema import EVENT_TYPES
from rapport.events.times import event_times
from rapport.mapping.conditions import Test, compile_when
from rapport.mapping.convert import CONVERTERS
from rapport.mapping.encode import encode_events
from rapport.mapping.fields import CellError, FieldValues, columns_of, compile_field, converted
from rapport.mapping.rules import Condition, FieldRule
from rapport.mapping.templates import ROW
from rapport.mapping.times import TimeParser
from rapport.webhooks.load import ResolvedRule, resolved_rules
from rapport.webhooks.mapping import WebhookMapping
from rapport.webhooks.payload import HEADER, Payload, is_item_path, parse_payload

__all__ = ["MappedEvent", "Translation", "Translator"]


class MappedEvent(NamedTuple):
    """An event made of a payload, as it goes on the bus."""

    topic: str
    key: str
    event_id: str
    value: bytes


class Translation(NamedTuple):
    """What a payload gives.

    Attributes:
        events: its events.
        skipped: items without a customer, where the mapping says to skip those.
        ignored: whether the mapping says that such a payload is nobody's event.
    """

    events: list[MappedEvent]
    skipped: int
    ignored: bool


@dataclass(frozen=True, slots=True)
class _Rule:
    """An event's rule, ready to run. `takes` looks at the payload, `takes_item` at its items."""

    place: str
    given: ResolvedRule
    takes: Test | None
    takes_item: Test | None
    paths: tuple[str, ...]
    time: TimeParser
    customer: Callable[[object], object]
    event_id: FieldValues
    fields: dict[str, FieldValues]
    required: frozenset[str]


class Translator:
    """A source's mapping, compiled.

    Attributes:
        headers: names, in small letters, of the request's headers that the mapping reads.
    """

    def __init__(self, mapping: WebhookMapping) -> None:
        self._rules = [_compile(index, rule) for index, rule in enumerate(resolved_rules(mapping))]
        self._ignore = [(compile_when(conditions), tuple(conditions)) for conditions in mapping.ignore]
        paths = [path for rule in self._rules for path in (*rule.paths, *rule.given.rule.when)]
        paths += [path for _, names in self._ignore for path in names]
        self.headers = frozenset(p.removeprefix(HEADER).lower() for p in paths if p.startswith(HEADER))

    def translate(self, body: bytes, headers: Mapping[str, str], now_us: int) -> Translation:
        """The events of a payload.

        Args:
            body: JSON.
            headers: of the request, by their names in small letters.
            now_us: the world's time, microseconds, UTC.

        Raises:
            EventError: the payload is not JSON, no rule takes it (`unmapped`), or one of its events cannot be made, or
                would be refused by ingest; `field` and `detail` say which and why.
        """
        payload = parse_payload(body, headers)
        taking = [rule for rule in self._rules if _holds(rule.takes, payload, rule.given.rule.when)]
        if not taking:
            if any(_holds(test, payload, names) for test, names in self._ignore):
                return Translation([], 0, True)
            raise EventError("unmapped", "", "no rule of the mapping takes this payload, and none says to ignore it")
        events: list[MappedEvent] = []
        skipped = 0
        for rule in taking:
            made, without_customer = _events(rule, payload, now_us)
            events += made
            skipped += without_customer
        return Translation(events, skipped, False)

    def customers_of(self, body: bytes, headers: Mapping[str, str]) -> list[str]:
        """The customers of a payload that could not be mapped, as far as the mapping can tell, each once."""
        found: dict[str | None, None] = {}
        try:
            payload = parse_payload(body, headers)
            for rule in self._rules:
                if _holds(rule.takes, payload, rule.given.rule.when):
                    columns = payload.rows(rule.given.rule.each, [rule.given.customer.column])
                    found |= dict.fromkeys(_customers(rule, columns))
        except (EventError, CellError):
            pass
        return [one for one in found if one is not None]


def _compile(index: int, given: ResolvedRule) -> _Rule:
    rule = given.rule
    outer = {path: one for path, one in rule.when.items() if not is_item_path(path, rule.each)}
    inner = {path: one for path, one in rule.when.items() if path not in outer}
    event_id = FieldRule(template=given.event_id)
    paths = [given.time.column, given.customer.column, *columns_of(event_id), *inner]
    paths += [path for one in given.fields.values() for path in columns_of(one)]
    return _Rule(
        place=f"events[{index}]",
        given=given,
        takes=compile_when(outer),
        takes_item=compile_when(inner),
        paths=tuple(dict.fromkeys(paths)),
        time=TimeParser(given.time),
        customer=CONVERTERS[given.customer.type],
        event_id=compile_field("event_id", event_id),
        fields={name: compile_field(name, one) for name, one in given.fields.items()},
        required=frozenset(f.name for f in msgspec.structs.fields(EVENT_TYPES[rule.topic]) if f.required),
    )


def _holds(test: Test | None, payload: Payload, names: Mapping[str, Condition] | Sequence[str]) -> bool:
    return test is None or test({path: [payload.at(path)] for path in names})[0]


def _events(rule: _Rule, payload: Payload, now_us: int) -> tuple[list[MappedEvent], int]:
    """The events that a rule makes, and how many items were skipped for want of a customer."""
    try:
        columns = payload.rows(rule.given.rule.each, rule.paths)
    except EventError as error:
        raise _placed(rule, "", error.reason, error.field, error.detail) from None
    if rule.takes_item is not None:
        columns = _picked(columns, rule.takes_item(columns))
    given = len(columns[ROW])
    if rule.given.customer.when_missing == "skip":
        columns = _picked(columns, [value is not None for value in columns[rule.given.customer.column]])
    events = []
    for i in range(len(columns[ROW])):
        row = {path: [values[i]] for path, values in columns.items()}
        try:
            events.append(_event(rule, row, now_us))
        except (CellError, EventError) as error:
            raise _placed(rule, columns[ROW][i], error.reason, error.field, error.detail) from None
    return events, given - len(events)


def _event(rule: _Rule, row: dict[str, list[Any]], now_us: int) -> MappedEvent:
    (customer,) = _customers(rule, row)
    if customer is None:
        raise CellError("customer_id", "no_customer", f"there is no value at {rule.given.customer.column!r}")
    time_column = rule.given.time.column
    (time,) = converted("event_time", time_column, rule.time, row[time_column])
    if time is None:
        raise CellError("event_time", "missing_field", f"there is no value at {time_column!r}")
    (event_id,) = rule.event_id(row, 1)
    values = {"event_id": [event_id], "customer_id": [customer], "event_time": [time.text]}
    for name, compute in rule.fields.items():
        values[name] = compute(row, 1)
    (value,) = encode_events(values, rule.required)
    topic = rule.given.rule.topic
    event = decode(topic, value)
    event_times(to_us(event.event_time), now_us)
    return MappedEvent(topic, event.customer_id, event.event_id, value)


def _customers(rule: _Rule, columns: Mapping[str, list[Any]]) -> list[str | None]:
    column, prefix = rule.given.customer.column, rule.given.customer.prefix
    found = converted("customer_id", column, rule.customer, columns[column])
    return [None if one is None else prefix + one for one in found]


def _picked(columns: dict[str, list[Any]], mask: Sequence[bool]) -> dict[str, list[Any]]:
    return {
        path: [value for value, wanted in zip(values, mask, strict=True) if wanted] for path, values in columns.items()
    }


def _placed(rule: _Rule, item: str, reason: str, field: str, detail: str) -> EventError:
    each = rule.given.rule.each
    where = f"{rule.place}, {each} item {item}" if each and item else rule.place
    return EventError(reason, field, f"{where}: {detail}")
