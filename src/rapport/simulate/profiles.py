"""What other systems know of the simulated customers: rows of the plain view `profile`."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Profile"]


class Profile(NamedTuple):
    """One customer's row, with the view's column names. `signup_day` is a day number, UTC, since 1970."""

    customer_id: str
    tier: str
    locale: str
    signup_day: int
    personalization_consent: bool
