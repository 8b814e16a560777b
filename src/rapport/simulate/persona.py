"""Who the simulated customers are: traits that do not change, drawn once per customer from the world's seed."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

__all__ = ["HABITS", "Habit", "Persona", "draw_persona"]


@dataclass(frozen=True, slots=True)
class Habit:
    """A kind of shopper.

    Attributes:
        share: how many of the customers, as a weight.
        visits: visits of the shop per day without a wish in mind.
        wishes: wishes per day: times when something is wanted.
        basket: mean number of products in an order.
        price: how much prices matter, 0 to 1.
        tier: what the loyalty programme calls most of them.
    """

    name: str
    share: float
    visits: float
    wishes: float
    basket: float
    price: float
    tier: str


HABITS = (
    Habit("loyal", 0.14, 0.35, 1 / 14, 3.0, 0.3, "gold"),
    Habit("regular", 0.28, 0.20, 1 / 28, 2.2, 0.5, "silver"),
    Habit("bargain_hunter", 0.18, 0.40, 1 / 35, 2.0, 0.9, "basic"),
    Habit("occasional", 0.30, 0.06, 1 / 70, 1.5, 0.5, "basic"),
    Habit("browser", 0.10, 0.45, 1 / 120, 1.3, 0.7, "basic"),
)

_LOCALES = (("en-GB", 0.55), ("en-US", 0.2), ("en", 0.1), ("de", 0.1), ("es", 0.05))
_CHANNELS = (("web", 0.6), ("app", 0.3), ("phone_bot", 0.1))


@dataclass(frozen=True, slots=True)
class Persona:
    """One customer's traits.

    Attributes:
        energy: factor on all of the habit's rates.
        tastes: cumulated weights of the product categories.
        patience: 0 to 1; how much is taken before a complaint.
        talkative: contacts with the shop per day when nothing is wrong.
        hours: cumulated weights of the 24 hours of the day (UTC).
        resolve: how surely a wish becomes an order, 0 to 1.
        forgiving: how fast a bad mood passes, share per day.
        typos: share of words that are written wrongly.
        signup_lead_days: days between signing up and the world's first day.
    """

    customer_id: str
    habit: Habit
    energy: float
    tastes: tuple[float, ...]
    patience: float
    talkative: float
    hours: tuple[float, ...]
    resolve: float
    forgiving: float
    typos: float
    tier: str
    locale: str
    channel: str
    consent: bool
    signup_lead_days: int


def draw_persona(number: int, random: Random, categories: int) -> Persona:
    """Draw the customer with this number."""
    habit = random.choices(HABITS, [habit.share for habit in HABITS])[0]
    tier = habit.tier if random.random() < 0.8 else random.choice(("basic", "silver", "gold"))
    return Persona(
        customer_id=f"c-{number:06d}",
        habit=habit,
        energy=random.lognormvariate(-0.08, 0.4),
        tastes=_cumulated([random.gammavariate(0.6, 1.0) + 0.02 for _ in range(categories)]),
        patience=random.betavariate(2.2, 2.0),
        talkative=random.lognormvariate(-4.0, 0.7),
        hours=_hours(random),
        resolve=random.betavariate(3.0, 2.0),
        forgiving=random.uniform(0.03, 0.15),
        typos=random.choice((0.0, 0.01, 0.03, 0.08)),
        tier=tier,
        locale=_chosen(random, _LOCALES),
        channel=_chosen(random, _CHANNELS),
        consent=random.random() < 0.93,
        signup_lead_days=int(random.expovariate(1 / 400)),
    )


def _hours(random: Random) -> tuple[float, ...]:
    """Two humps, at noon and in the evening; some are early, some are late; nobody at night."""
    late = random.gauss(0, 1.5)
    noon = random.uniform(0.2, 1.0)
    weights = []
    for hour in range(24):
        evening = 1.2 * max(0.0, 1 - abs(hour - 20 - late) / 4)
        midday = noon * max(0.0, 1 - abs(hour - 12.5 - late / 2) / 4)
        weights.append(0.01 + (evening + midday if 6 <= hour <= 23 else 0.0))
    return _cumulated(weights)


def _cumulated(weights: list[float]) -> tuple[float, ...]:
    total, result = 0.0, []
    for weight in weights:
        total += weight
        result.append(total)
    return tuple(result)


def _chosen(random: Random, table: tuple[tuple[str, float], ...]) -> str:
    return random.choices([name for name, _ in table], [weight for _, weight in table])[0]
