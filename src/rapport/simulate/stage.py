"""What the parts of the simulated world share: the agenda, the shift, the products, and where events go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rapport.clock import from_us
from rapport.events.schema import EVENT_TYPES, Event
from rapport.simulate.agenda import Agenda
from rapport.simulate.answers import Answer, Session
from rapport.simulate.catalogue import Catalogue
from rapport.simulate.customer import Customer

__all__ = ["Stage"]


@dataclass(slots=True)
class Stage:
    """The world that customers live in.

    Attributes:
        shift: 0 the ordinary world, 1 a full crisis of deliveries.
        answer: who answers a customer's message.
        emitted: events since they were last taken, in order of time.
    """

    seed: int
    agenda: Agenda
    catalogue: Catalogue
    answer: Callable[[Customer, Session], Answer]
    shift: float = 0.0
    emitted: list[tuple[str, Event]] = field(default_factory=list)
    number: int = 0

    def emit(self, topic: str, customer: Customer, time_us: int, **fields: Any) -> None:
        """Let an event happen."""
        event = EVENT_TYPES[topic](
            event_id=self.new_id("e", time_us),
            customer_id=customer.persona.customer_id,
            event_time=from_us(time_us),
            **fields,
        )
        self.emitted.append((topic, event))

    def new_id(self, kind: str, time_us: int) -> str:
        """An id that the same world gives again, and no other of another seed or time."""
        self.number += 1
        return f"{kind}-{self.seed:x}-{time_us:x}-{self.number:x}"
