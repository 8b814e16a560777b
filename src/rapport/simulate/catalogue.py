"""The simulated shop's products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random

from rapport.simulate.phrases import load_phrases

__all__ = ["Catalogue", "Product"]

_COLOURS = ("red", "blue", "green", "white", "black", "oak", "retro")


@dataclass(frozen=True, slots=True)
class Product:
    """A product; `appeal` is how far its price lies under (plus) or over (minus) its category's, -1 to 1."""

    product_id: str
    name: str
    category: int
    price: Decimal
    appeal: float


class Catalogue:
    """All products, by category; the same for the same seed."""

    def __init__(self, seed: int) -> None:
        random = Random(f"catalogue:{seed}")  # noqa: S311
        self.by_category: list[list[Product]] = []
        for number, (_, names) in enumerate(load_phrases().products):
            level = random.uniform(6, 30)
            made = [_product(random, number, name, colour, level) for name in names for colour in _COLOURS]
            self.by_category.append(made)

    def tasteful(self, random: Random, tastes: Sequence[float]) -> Product:
        """A product of a category that is chosen by cumulated weights."""
        return random.choice(random.choices(self.by_category, cum_weights=tastes)[0])

    @property
    def categories(self) -> int:
        return len(self.by_category)


def _product(random: Random, category: int, name: str, colour: str, level: float) -> Product:
    factor = random.lognormvariate(0, 0.5)
    cents = max(99, round(level * factor) * 100 - random.choice((1, 5, 50)))
    product_id = f"p-{category}-{name.replace(' ', '-')}-{colour}"
    return Product(product_id, f"{colour} {name}", category, Decimal(cents).scaleb(-2), max(-1.0, min(1.0, 1 - factor)))
