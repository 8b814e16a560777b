"""The simulated world: customers who live, shop, write and complain. docs/simulation.md describes the model."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any

from rapport.clock import Clock, WorldClock, from_us
from rapport.errors import SettingsError
from rapport.events.schema import Event
from rapport.simulate.agenda import Agenda
from rapport.simulate.answers import Answer, Session, answer_from, habitual_answer
from rapport.simulate.care import Care
from rapport.simulate.catalogue import Catalogue
from rapport.simulate.customer import DAY_US, Customer
from rapport.simulate.persona import draw_persona
from rapport.simulate.profiles import Profile
from rapport.simulate.shopping import Shopping
from rapport.simulate.stage import Stage

__all__ = ["Decide", "World"]

Decide = Callable[[str, Mapping[str, str]], Any]
"""customer_id and session_data (message, channel, locale) to a decision: a mapping or object with tone, template_id
and, if it has them, decision_id and template text."""

_LONGEST_SLEEP_S = 0.25


class World:
    """Customers and their lives from a moment on; deterministic by seed (and by the answers that they get).

    Args:
        seed: 0 or more; another seed is another world.
        customers: how many, 1 to 1,000,000.
        shift: 0 the ordinary world, to 1 a full crisis of deliveries; may be set at any time.

    Raises:
        SettingsError: an argument out of range.
    """

    def __init__(self, seed: int = 7, customers: int = 1_000, *, shift: float = 0.0) -> None:
        if not 1 <= customers <= 1_000_000:
            raise SettingsError(f"{customers} customers: 1 to 1,000,000 are allowed")
        if seed < 0:
            raise SettingsError(f"seed {seed}: a whole number of at least 0 is needed")
        self._habit = Random(f"answers:{seed}")  # noqa: S311
        self._stage = Stage(seed, Agenda(), Catalogue(seed), self._habitual)
        self._care = Care(self._stage)
        self._shopping = Shopping(self._stage, self._care)
        self._customers = [_born(seed, number, self._stage.catalogue.categories) for number in range(1, customers + 1)]
        self._now_us: int | None = None
        self.shift = shift

    @property
    def shift(self) -> float:
        """How far the world is from the ordinary: 0 to 1."""
        return self._stage.shift

    @shift.setter
    def shift(self, value: float) -> None:
        if not 0 <= value <= 1:
            raise SettingsError(f"shift {value}: 0 (the ordinary world) to 1 (a full crisis) is allowed")
        self._stage.shift = value

    @property
    def now_us(self) -> int | None:
        """How far the world has been lived, microseconds; None before it begins."""
        return self._now_us

    def history(self, start_us: int, end_us: int) -> Iterator[tuple[str, Event]]:
        """Live from `start_us` to `end_us` (not included): (topic, event) in order of time, at full speed.

        The first call begins the world; a later one must not start before the last one ended.

        Raises:
            SettingsError: times that go backwards.
        """
        self._begin(start_us, end_us)
        self._stage.answer = self._habitual
        agenda = self._stage.agenda
        while (due := agenda.next_us()) is not None and due < end_us:
            entry = agenda.pop()
            entry.action(entry.time_us, *entry.args)
            if self._stage.emitted:
                yield from self._taken()
        self._now_us = end_us

    def live(
        self,
        decide: Decide,
        clock: Clock,
        *,
        until_us: int | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Iterator[tuple[str, Event]]:
        """Live on by a clock: (topic, event) when each is due.

        A customer's message is given before `decide` is asked about it, so that it can be published first. An error
        that `decide` raises comes out of the iterator.

        Args:
            decide: asked for every message of a customer; the customer reacts to what it answers.
            clock: the world's time; may run faster than the machine's.
            until_us: stop at this time (not included); None: never.
            sleep: waits a number of seconds of the machine.
        """
        self._begin(self._now_us if self._now_us is not None else clock.now_us(), until_us)
        self._stage.answer = lambda customer, session: answer_from(
            decide(customer.persona.customer_id, session.as_dict())
        )
        while (due := self._stage.agenda.next_us()) is not None and (until_us is None or due < until_us):
            _wait(clock, due, sleep)
            entry = self._stage.agenda.pop()
            entry.action(entry.time_us, *entry.args)
            self._now_us = entry.time_us
            yield from self._taken()

    def profiles(self, first_day_us: int) -> list[Profile]:
        """What other systems know of the customers; `first_day_us` is the day when the world begins."""
        return [
            Profile(
                customer_id=customer.persona.customer_id,
                tier=customer.persona.tier,
                locale=customer.persona.locale,
                signup_day=first_day_us // DAY_US - customer.persona.signup_lead_days,
                personalization_consent=customer.persona.consent,
            )
            for customer in self._customers
        ]

    def _begin(self, start_us: int, end_us: int | None) -> None:
        if end_us is not None and end_us < start_us:
            raise SettingsError(f"the world cannot end at {from_us(end_us)}, before it begins at {from_us(start_us)}")
        if self._now_us is not None:
            if start_us < self._now_us:
                raise SettingsError(
                    f"this world has been lived until {from_us(self._now_us)}; it cannot go back to {from_us(start_us)}"
                )
            return
        self._now_us = start_us
        for customer in self._customers:
            self._shopping.begin(customer, start_us)
            self._care.begin(customer, start_us)

    def _taken(self) -> list[tuple[str, Event]]:
        emitted = self._stage.emitted
        self._stage.emitted = []
        return emitted

    def _habitual(self, customer: Customer, session: Session) -> Answer:
        return habitual_answer(self._habit)


def _born(seed: int, number: int, categories: int) -> Customer:
    random = Random(f"customer:{seed}:{number}")  # noqa: S311
    return Customer(draw_persona(number, random, categories), random)


def _wait(clock: Clock, due_us: int, sleep: Callable[[float], None]) -> None:
    rate = clock.rate if isinstance(clock, WorldClock) else 1.0
    while (left_us := due_us - clock.now_us()) > 0:
        sleep(min(_LONGEST_SLEEP_S, left_us / 1e6 / rate) if rate > 0 else _LONGEST_SLEEP_S)
