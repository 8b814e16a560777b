"""Conversations: message by message, with answers that calm or annoy, until they solve it, give up or escalate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rapport.clock import from_us
from rapport.simulate.answers import PROBLEMS, Answer, Session, Situation, fit
from rapport.simulate.catalogue import Product
from rapport.simulate.customer import DAY_US, MINUTE_US, SECOND_US, Customer, Problem
from rapport.simulate.feedback import give_feedback
from rapport.simulate.phrases import Topic, load_phrases
from rapport.simulate.stage import Stage
from rapport.simulate.writing import thanks, write_message

__all__ = ["Talk", "Talking"]

_LONGEST = 9


@dataclass(slots=True)
class Talk:
    """A conversation and how it stands. `frustration` is the customer's own, 0 to 1; only the text shows it."""

    customer: Customer
    conversation_id: str
    topic: Topic
    problem: Problem | None
    product: Product
    began_us: int
    frustration: float
    turn: int = 0
    last_message: str = ""
    decision_id: str | None = None
    solved: bool = False
    escalated: bool = False


class Talking:
    """Leads conversations on a stage; `over` is told of each when it ends."""

    def __init__(self, stage: Stage, over: Callable[[int, Talk], None]) -> None:
        self._stage = stage
        self._over = over

    def begin(self, now_us: int, customer: Customer, topic: Topic, problem: Problem | None) -> None:
        """A customer turns to the shop."""
        customer.talking = True
        talk = Talk(
            customer=customer,
            conversation_id=self._stage.new_id("v", now_us),
            topic=topic,
            problem=problem,
            product=self._product(customer, topic, problem),
            began_us=now_us,
            frustration=self._at_first(customer, now_us),
        )
        self._message(now_us, talk)

    def _product(self, customer: Customer, topic: Topic, problem: Problem | None) -> Product:
        if problem is not None:
            return problem.product
        if topic != "product_question" and customer.last_product is not None:
            return customer.last_product
        return self._stage.catalogue.tasteful(customer.random, customer.persona.tastes)

    def _at_first(self, customer: Customer, now_us: int) -> float:
        random, persona, problem = customer.random, customer.persona, customer.problem
        value = 0.12 - 0.2 * min(0.0, customer.mood_at(now_us)) + random.gauss(0, 0.08)
        if problem is not None:
            value += 0.08 + 0.38 * problem.severity - 0.15 * persona.patience
            value += 0.12 * min(3, problem.contacts - 1) + (0.1 if problem.ticket_id else 0.0)
        return max(0.0, min(1.0, value))

    def _message(self, now_us: int, talk: Talk) -> None:
        customer, persona = talk.customer, talk.customer.persona
        talk.turn += 1
        text = write_message(
            customer.random, talk.topic, talk.frustration, self._slots(now_us, talk), talk.last_message, persona.typos
        )
        talk.last_message = text
        self._say(now_us, talk, "customer", text)
        # Asked in a step of its own, so that the message is out before the question what to answer.
        self._stage.agenda.note(
            now_us, self._ask, talk, Session(text, persona.channel, persona.locale, from_us(now_us).isoformat())
        )

    def _ask(self, now_us: int, talk: Talk, session: Session) -> None:
        answer = self._stage.answer(talk.customer, session)
        wait = talk.customer.random.randrange(1, 6) * SECOND_US
        self._stage.agenda.note(now_us + wait, self._answered, talk, answer)

    def _answered(self, now_us: int, talk: Talk, answer: Answer) -> None:
        self._say(now_us, talk, "assistant", answer.text)
        talk.decision_id = answer.decision_id
        random = talk.customer.random
        open_ticket = talk.problem is not None and bool(talk.problem.ticket_id)
        fits = fit(Situation(talk.topic, talk.frustration, talk.turn, open_ticket), answer.tone, answer.template_id)
        self._feel(talk, fits)
        if answer.template_id == "handover_to_agent":
            wait = random.uniform(0.5, 4) * MINUTE_US
            self._stage.agenda.note(now_us + wait, self._handed_over, talk)
        elif random.random() < self._solves(talk, fits):
            self._thank(now_us, talk)
        elif random.random() < self._escalates(talk):
            talk.escalated = True
            self._end(now_us, talk)
        elif talk.turn >= _LONGEST or random.random() < 0.12 + 0.25 * (1 - talk.frustration):
            self._end(now_us, talk)
        else:
            wait = random.lognormvariate(3.9, 0.7) * SECOND_US
            self._stage.agenda.note(now_us + wait, self._message, talk)

    def _feel(self, talk: Talk, fits: float) -> None:
        worse = 0.05 + 0.07 * (1 - talk.customer.persona.patience) if talk.topic in PROBLEMS else 0.02
        value = talk.frustration + worse - 0.17 * fits + talk.customer.random.gauss(0, 0.06)
        talk.frustration = max(0.0, min(1.0, value))

    def _solves(self, talk: Talk, fits: float) -> float:
        if talk.topic not in PROBLEMS:
            return 0.5 + 0.2 * fits
        severity = talk.problem.severity if talk.problem else 0.3
        return max(0.03, (0.3 + 0.25 * fits - 0.25 * severity) * (1 - 0.6 * self._stage.shift))

    def _escalates(self, talk: Talk) -> float:
        patience = talk.customer.persona.patience
        return min(0.9, 0.01 + max(0.0, talk.frustration - 0.35) * (1.4 - patience))

    def _handed_over(self, now_us: int, talk: Talk) -> None:
        random = talk.customer.random
        self._say(now_us, talk, "agent", random.choice(load_phrases().agent))
        talk.frustration = max(0.0, talk.frustration - random.uniform(0.1, 0.4))
        if random.random() < 0.6 - 0.3 * self._stage.shift:
            self._thank(now_us, talk)
            return
        talk.escalated = random.random() < self._escalates(talk)
        self._end(now_us, talk)

    def _thank(self, now_us: int, talk: Talk) -> None:
        talk.solved = True
        talk.frustration *= 0.5
        random = talk.customer.random
        at = now_us + random.randrange(10, 60) * SECOND_US
        if random.random() < 0.5:
            self._stage.agenda.note(at, self._goodbye, talk)
        else:
            self._end(now_us, talk)

    def _goodbye(self, now_us: int, talk: Talk) -> None:
        self._say(now_us, talk, "customer", thanks(talk.customer.random, talk.customer.persona.typos))
        self._end(now_us, talk)

    def _end(self, now_us: int, talk: Talk) -> None:
        customer = talk.customer
        customer.talking = False
        customer.change_mood(now_us, 0.12 - 0.45 * talk.frustration if talk.solved else -0.35 * talk.frustration)
        wait = customer.random.uniform(0.5, 30) * MINUTE_US
        self._stage.agenda.note(now_us + wait, self._feedback, talk, now_us)
        self._over(now_us, talk)

    def _feedback(self, now_us: int, talk: Talk, ended_us: int) -> None:
        given = give_feedback(talk.customer.random, talk.frustration, solved=talk.solved)
        if given is not None:
            if talk.solved:
                given["resolution_time_s"] = (ended_us - talk.began_us) / SECOND_US
            ids = {"decision_id": talk.decision_id, "conversation_id": talk.conversation_id}
            self._stage.emit("feedback", talk.customer, now_us, **given, **ids)

    def _say(self, now_us: int, talk: Talk, role: str, text: str) -> None:
        persona = talk.customer.persona
        self._stage.emit(
            "chat_messages",
            talk.customer,
            now_us,
            role=role,
            conversation_id=talk.conversation_id,
            text=text,
            channel=persona.channel,
            locale=persona.locale,
        )

    def _slots(self, now_us: int, talk: Talk) -> dict[str, str]:
        customer, problem = talk.customer, talk.problem
        order_id = (problem.order_id if problem else customer.last_order_id) or "my order"
        since_us = problem.since_us if problem else talk.began_us
        return {
            "product": talk.product.name,
            "order": order_id,
            "days": str(2 + (now_us - since_us) // DAY_US),
            "amount": f"£{talk.product.price}",
        }
