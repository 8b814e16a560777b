"""Forgetting one customer."""

from __future__ import annotations

import redis

from rapport.online.connect import reachable
from rapport.online.keys import JOIN_KEY, KeyMaker

__all__ = ["delete_customer"]


def delete_customer(client: redis.Redis, project: str, customer_id: str, *, join_key: str = JOIN_KEY) -> bool:
    """Delete all that the online store holds of a customer, in all views; whether there was anything.

    A writer that still has the customer's rows in memory cannot bring them back: their marks no longer match.

    Raises:
        StoreUnavailable
    """
    with reachable(f"deleting customer {customer_id!r}"):
        return bool(client.delete(KeyMaker(project, join_key).key(customer_id)))
