"""What goes wrong and what is done about it: deliveries, problems, contacts, tickets."""

from __future__ import annotations

from rapport.simulate.catalogue import Product
from rapport.simulate.customer import DAY_US, HOUR_US, MINUTE_US, Customer, Problem
from rapport.simulate.phrases import Topic
from rapport.simulate.stage import Stage
from rapport.simulate.talking import Talk, Talking

__all__ = ["Care"]

_WORRY = 6.0
"""Contacts are proposed at this multiple of the ordinary rate, so that a crisis can take more of them at once."""
_QUIET_TOPICS: tuple[Topic, ...] = ("product_question", "order_status", "return_request")


class Care:
    """The part of the world where problems arise, are told, and are solved or not."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._talking = Talking(stage, self._talked)

    def begin(self, customer: Customer, now_us: int) -> None:
        """Put a customer's first question on the agenda."""
        self._next_contact(customer, now_us)

    def deliver(self, customer: Customer, now_us: int, order_id: str, product: Product) -> None:
        """An order is on its way: it arrives, or something goes wrong with it."""
        random, shift = customer.random, self._stage.shift
        if random.random() >= 0.14 + 0.45 * shift:
            customer.change_mood(now_us, 0.05)
            return
        topics: tuple[Topic, ...] = ("late_delivery", "defect", "billing")
        topic = random.choices(topics, [0.4 + 2 * shift, 0.4, 0.2])[0]
        severity = min(1.0, random.betavariate(2.0, 2.5) + 0.25 * shift)
        delay = random.uniform(1.0, 6.0) * DAY_US * (0.15 if topic == "billing" else 1.0)
        self._stage.agenda.note(now_us + delay, self._trouble, customer, topic, severity, order_id, product)

    def contact(self, now_us: int, customer: Customer) -> None:
        """An occasion to ask something. Few are taken; in a crisis, more are, by those who wait for an order."""
        self._next_contact(customer, now_us)
        random, shift = customer.random, self._stage.shift
        if customer.talking:
            return
        if random.random() < 1 / _WORRY:
            self._ask(now_us, customer)
        elif random.random() < shift and customer.problem is None and customer.last_product is not None:
            severity = min(1.0, random.betavariate(2.5, 2.0) + 0.2)
            self._notice(now_us, customer, "late_delivery", severity, customer.last_order_id, customer.last_product)
            self._tell(now_us, customer)

    def _ask(self, now_us: int, customer: Customer) -> None:
        if customer.problem is not None:
            self._tell(now_us, customer)
            return
        topic = customer.random.choice(_QUIET_TOPICS) if customer.last_order_id else "product_question"
        self._talking.begin(now_us, customer, topic, None)

    def _trouble(
        self, now_us: int, customer: Customer, topic: Topic, severity: float, order_id: str, product: Product
    ) -> None:
        """A problem is noticed; most are told, the patient keep quiet about small ones."""
        if customer.problem is not None:
            return
        self._notice(now_us, customer, topic, severity, order_id, product)
        random, persona = customer.random, customer.persona
        if random.random() < 0.5 + 0.4 * severity - 0.25 * persona.patience + 0.15:
            soon = customer.awake(now_us + random.expovariate(1 / 3) * HOUR_US)
            self._stage.agenda.note(soon, self._tell, customer)

    def _notice(
        self, now_us: int, customer: Customer, topic: Topic, severity: float, order_id: str, product: Product
    ) -> None:
        customer.problem = Problem(topic, severity, order_id, product, now_us)
        customer.change_mood(now_us, -0.15 - 0.3 * severity)
        until = now_us + customer.random.uniform(4, 15) * DAY_US
        self._stage.agenda.note(until, self._fade, customer, customer.problem)

    def _tell(self, now_us: int, customer: Customer) -> None:
        if customer.problem is None or customer.talking:
            return
        customer.problem.contacts += 1
        self._talking.begin(now_us, customer, customer.problem.topic, customer.problem)

    def _talked(self, now_us: int, talk: Talk) -> None:
        """A conversation is over: it solved the problem, became a ticket, or leaves the customer to try again."""
        customer, problem, random = talk.customer, talk.problem, talk.customer.random
        if problem is not None and talk.solved and not problem.ticket_id:
            self._end(customer, problem)
        elif talk.escalated:
            self._stage.agenda.note(now_us + random.uniform(1, 25) * MINUTE_US, self._open_ticket, talk)
        elif problem is not None and customer.problem is problem and random.random() < 0.55 + 0.3 * problem.severity:
            wait = random.lognormvariate(2.3, 0.8) * HOUR_US * (0.5 + customer.persona.patience)
            self._stage.agenda.note(customer.awake(now_us + wait), self._tell, customer)

    def _open_ticket(self, now_us: int, talk: Talk) -> None:
        customer, problem, random = talk.customer, talk.problem, talk.customer.random
        if problem is not None and problem.ticket_id:
            if random.random() < 0.5:
                self._ticket(now_us, customer, "updated", problem.ticket_id, talk.topic, "urgent")
            return
        ticket_id = self._stage.new_id("t", now_us)
        if problem is not None:
            problem.ticket_id = ticket_id
        priority = "urgent" if talk.frustration > 0.8 else "high" if talk.frustration > 0.55 else "normal"
        self._ticket(now_us, customer, "opened", ticket_id, talk.topic, priority)
        days = random.lognormvariate(0.3, 0.6) * (1 + 1.5 * self._stage.shift)
        if random.random() < 0.5:
            middle = now_us + days * random.uniform(0.2, 0.8) * DAY_US
            self._stage.agenda.note(middle, self._ticket, customer, "updated", ticket_id, talk.topic, priority)
        self._stage.agenda.note(
            now_us + days * DAY_US, self._resolve, customer, problem, ticket_id, talk.topic, priority
        )

    def _resolve(
        self, now_us: int, customer: Customer, problem: Problem | None, ticket_id: str, topic: Topic, priority: str
    ) -> None:
        random = customer.random
        self._ticket(now_us, customer, "resolved", ticket_id, topic, priority)
        customer.change_mood(now_us, 0.15)
        if random.random() < 0.10 + 0.15 * self._stage.shift + 0.1 * (problem.severity if problem else 0):
            again = now_us + random.uniform(2, 60) * HOUR_US
            self._stage.agenda.note(again, self._reopen, customer, problem, ticket_id, topic, priority)
        elif problem is not None:
            self._end(customer, problem)

    def _reopen(
        self, now_us: int, customer: Customer, problem: Problem | None, ticket_id: str, topic: Topic, priority: str
    ) -> None:
        self._ticket(now_us, customer, "reopened", ticket_id, topic, priority)
        customer.change_mood(now_us, -0.2)
        if problem is not None and customer.random.random() < 0.6:
            self._stage.agenda.note(now_us + customer.random.uniform(1, 90) * MINUTE_US, self._tell, customer)
        days = customer.random.uniform(0.5, 3)
        self._stage.agenda.note(now_us + days * DAY_US, self._resolve, customer, problem, ticket_id, topic, priority)

    def _ticket(
        self, now_us: int, customer: Customer, action: str, ticket_id: str, topic: Topic, priority: str
    ) -> None:
        self._stage.emit(
            "support_tickets", customer, now_us, action=action, ticket_id=ticket_id, category=topic, priority=priority
        )

    def _fade(self, now_us: int, customer: Customer, problem: Problem) -> None:
        """A problem that nobody made a ticket of is forgotten in the end."""
        if not problem.ticket_id:
            self._end(customer, problem)

    def _end(self, customer: Customer, problem: Problem) -> None:
        if customer.problem is problem:
            customer.problem = None

    def _next_contact(self, customer: Customer, now_us: int) -> None:
        rate = customer.persona.talkative * _WORRY
        at = customer.awake(now_us + customer.random.expovariate(rate) * DAY_US)
        self._stage.agenda.note(at, self.contact, customer)
