"""A simulated customer: fixed traits, and a state that changes as they live."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from rapport.simulate.catalogue import Product
from rapport.simulate.persona import Persona
from rapport.simulate.phrases import Topic

__all__ = ["DAY_US", "HOUR_US", "MINUTE_US", "SECOND_US", "Customer", "Problem", "Wish"]

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US


@dataclass(slots=True)
class Wish:
    """Something that a customer wants: a category, how much, and until when."""

    category: int
    strength: float
    until_us: int


@dataclass(slots=True)
class Problem:
    """Something that went wrong with an order; `severity` 0 to 1."""

    topic: Topic
    severity: float
    order_id: str
    product: Product
    since_us: int
    contacts: int = 0
    ticket_id: str = ""


@dataclass(slots=True)
class Customer:
    """Traits and state. `mood` is the customer's standing opinion of the shop, -1 to 1, as of `mood_us`."""

    persona: Persona
    random: Random
    mood: float = 0.0
    mood_us: int = 0
    wish: Wish | None = None
    cart: list[tuple[Product, int]] = field(default_factory=list)
    last_order_id: str = ""
    last_product: Product | None = None
    problem: Problem | None = None
    talking: bool = False

    def mood_at(self, now_us: int) -> float:
        """The mood, as it has faded towards neutral since it was last changed."""
        days = max(0, now_us - self.mood_us) / DAY_US
        return self.mood * float((1 - self.persona.forgiving) ** days)

    def change_mood(self, now_us: int, by: float) -> None:
        self.mood = max(-1.0, min(1.0, self.mood_at(now_us) + by))
        self.mood_us = now_us

    def awake(self, time_us: float) -> int:
        """The time, or some hours later when it lies in the night."""
        night_left_us = 6 * HOUR_US - int(time_us) % DAY_US
        return int(time_us) + (night_left_us + self.random.randrange(4 * HOUR_US) if night_left_us > 0 else 0)

    def wishes(self, now_us: int) -> float:
        """Strength of the present wish, 0 to 1; 0 without one."""
        return self.wish.strength if self.wish is not None and now_us < self.wish.until_us else 0.0
