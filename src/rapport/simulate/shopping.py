"""How customers shop: wishes come and go, visits, carts, checkouts, orders, cancellations."""

from __future__ import annotations

from math import log

from rapport.clock import from_us
from rapport.simulate.care import Care
from rapport.simulate.catalogue import Product
from rapport.simulate.customer import DAY_US, HOUR_US, MINUTE_US, SECOND_US, Customer, Wish
from rapport.simulate.stage import Stage

__all__ = ["Shopping"]

_CURRENCY = "GBP"
_WEEKEND = 1.25


class Shopping:
    """The part of the world where things are looked at and bought."""

    def __init__(self, stage: Stage, care: Care) -> None:
        self._stage = stage
        self._care = care

    def begin(self, customer: Customer, now_us: int) -> None:
        """Put a customer's first visit and first wish on the agenda."""
        random, persona = customer.random, customer.persona
        wishes = persona.habit.wishes * persona.energy
        self._stage.agenda.note(now_us + random.expovariate(wishes) * DAY_US, self.wish, customer)
        self._next_visit(customer, now_us)

    def wish(self, now_us: int, customer: Customer) -> None:
        """A wish arises: for some days the customer comes often, and looks at one kind of thing."""
        random, persona = customer.random, customer.persona
        category = random.choices(range(len(persona.tastes)), cum_weights=persona.tastes)[0]
        lasts = random.lognormvariate(log(7), 0.6) * DAY_US
        customer.wish = Wish(category, random.betavariate(2.5, 1.6), int(now_us + lasts))
        # The first visit of a wish comes soon, beside those that come anyway.
        soon = customer.awake(now_us + random.expovariate(4.0) * DAY_US)
        self._stage.agenda.note(soon, self.visit, customer, False)
        gap = random.expovariate(persona.habit.wishes * persona.energy)
        self._stage.agenda.note(now_us + lasts + gap * DAY_US, self.wish, customer)

    def visit(self, now_us: int, customer: Customer, regular: bool = True) -> None:
        """A visit: pages and products, perhaps a cart, perhaps an order."""
        stage, random = self._stage, customer.random
        if regular:
            self._next_visit(customer, now_us)
        elif random.random() < customer.wishes(now_us):
            again = customer.awake(now_us + random.expovariate(1.5) * DAY_US)
            stage.agenda.note(again, self.visit, customer, False)
        if random.random() < 0.7 * stage.shift * (1 - 0.3 * customer.wishes(now_us)):
            return
        session_id = stage.new_id("s", now_us)
        strength = customer.wishes(now_us)
        length = 1 + int(random.expovariate(1 / (1.5 + 3.5 * strength)))
        at = now_us
        for _ in range(min(length, 30)):
            stage.agenda.note(at, self._look, customer, session_id)
            at += int(SECOND_US * (4 + random.expovariate(1 / 35)))
        stage.agenda.note(at, self._finish, customer, session_id)

    def _look(self, now_us: int, customer: Customer, session_id: str) -> None:
        stage, random = self._stage, customer.random
        strength = customer.wishes(now_us)
        if random.random() < 0.12:
            page = random.choice(("/home", "/search", "/sale", "/help"))
            stage.emit("customer_clicks", customer, now_us, action="view", page=page, session_id=session_id)
            return
        product = self._pick(customer, strength)
        self._click(now_us, customer, "view", product, session_id)
        wants = 0.02 + 0.22 * strength + 0.10 * customer.persona.habit.price * product.appeal
        if random.random() < wants and len(customer.cart) < 8:
            quantity = 1 + int(random.expovariate(1.6))
            customer.cart.append((product, quantity))
            stage.agenda.note(now_us + SECOND_US, self._click, customer, "cart_add", product, session_id, quantity)
        elif customer.cart and random.random() < 0.06 * (1.3 - strength):
            removed, quantity = customer.cart.pop(random.randrange(len(customer.cart)))
            stage.agenda.note(now_us + SECOND_US, self._click, customer, "cart_remove", removed, session_id, quantity)

    def _finish(self, now_us: int, customer: Customer, session_id: str) -> None:
        """The end of a visit with something in the cart: check out, come back for it later, or forget it."""
        if not customer.cart:
            return
        stage, random, persona = self._stage, customer.random, customer.persona
        strength, mood = customer.wishes(now_us), customer.mood_at(now_us)
        saving = sum(product.appeal for product, _ in customer.cart) / len(customer.cart)
        goes = 0.10 + 0.55 * strength * persona.resolve + 0.3 * persona.habit.price * saving + 0.15 * mood
        if random.random() < max(0.02, goes) * (1 - 0.75 * stage.shift):
            stage.emit("customer_clicks", customer, now_us, action="checkout", page="/checkout", session_id=session_id)
            if random.random() < 0.55 + 0.3 * persona.resolve - 0.45 * stage.shift:
                stage.agenda.note(now_us + random.randrange(20, 240) * SECOND_US, self._order, customer)
                return
        if random.random() < 0.3 + 0.5 * strength:
            later = customer.awake(now_us + random.expovariate(1 / 20) * HOUR_US)
            stage.agenda.note(later, self.visit, customer, False)
        elif random.random() < 0.4:
            customer.cart.clear()

    def _order(self, now_us: int, customer: Customer) -> None:
        if not customer.cart:
            return
        stage, random = self._stage, customer.random
        order_id = stage.new_id("o", now_us)
        lines, customer.cart = customer.cart, []
        for product, quantity in lines:
            self._line("order", customer, now_us, order_id, product, quantity)
        customer.last_order_id, customer.last_product = order_id, lines[0][0]
        if random.random() < 0.8:
            customer.wish = None
        if random.random() < 0.04 + 0.08 * stage.shift:
            product, quantity = random.choice(lines)
            delay = random.uniform(0.02, 6) * DAY_US
            stage.agenda.note(now_us + delay, self._cancel, customer, order_id, product, quantity)
        self._care.deliver(customer, now_us, order_id, lines[0][0])

    def _cancel(self, now_us: int, customer: Customer, order_id: str, product: Product, quantity: int) -> None:
        self._line("cancellation", customer, now_us, order_id, product, quantity)

    def _line(
        self, action: str, customer: Customer, now_us: int, order_id: str, product: Product, quantity: int
    ) -> None:
        self._stage.emit(
            "purchase_events",
            customer,
            now_us,
            action=action,
            order_id=order_id,
            product_id=product.product_id,
            quantity=quantity,
            amount=product.price * quantity,
            currency=_CURRENCY,
        )

    def _click(
        self, now_us: int, customer: Customer, action: str, product: Product, session_id: str, quantity: int = 1
    ) -> None:
        self._stage.emit(
            "customer_clicks",
            customer,
            now_us,
            action=action,
            product_id=product.product_id,
            page="/product",
            quantity=quantity,
            price=product.price,
            currency=_CURRENCY,
            session_id=session_id,
        )

    def _pick(self, customer: Customer, strength: float) -> Product:
        random, tastes = customer.random, customer.persona.tastes
        if customer.wish is not None and random.random() < 0.3 + 0.6 * strength:
            category = customer.wish.category
        else:
            category = random.choices(range(len(tastes)), cum_weights=tastes)[0]
        first, second = (random.choice(self._stage.catalogue.by_category[category]) for _ in range(2))
        # Who minds prices looks at the better offer of two.
        return max(first, second, key=lambda p: p.appeal) if random.random() < customer.persona.habit.price else first

    def _next_visit(self, customer: Customer, now_us: int) -> None:
        random, persona = customer.random, customer.persona
        rate = persona.habit.visits * persona.energy * (1 + 0.4 * customer.mood_at(now_us))
        strength = customer.wishes(now_us)
        rate += 1.6 * strength
        at = int(now_us + random.expovariate(rate) * DAY_US)
        at = self._at_a_usual_hour(customer, at, now_us)
        self._stage.agenda.note(at, self.visit, customer)

    def _at_a_usual_hour(self, customer: Customer, at_us: int, now_us: int) -> int:
        random = customer.random
        day_us = at_us - at_us % DAY_US
        if from_us(day_us).weekday() < 5 and random.random() < 1 - 1 / _WEEKEND:
            day_us += random.choice((0, 1)) * DAY_US
        hour = random.choices(range(24), cum_weights=customer.persona.hours)[0]
        at = day_us + hour * HOUR_US + random.randrange(60 * MINUTE_US)
        return at if at > now_us else at + DAY_US
