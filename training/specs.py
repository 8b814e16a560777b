"""The models that Rapport trains: what each predicts, where it is asked, and what counts as the event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from rapport.archive import Archive
from training.events import read_events
from training.labels import FRUSTRATED, complaints, orders

__all__ = ["DAY_US", "MODELS", "ModelSpec"]

DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model.

    Attributes:
        name: also its registered name, and its folder's.
        service: the feature service with its inputs.
        label: what it predicts, in words; `{horizon}` stands for the horizon.
        horizon_us: how long after the decision the label looks, unless a run chooses another.
        random_share: share of decision times that are not times of activity.
        activity: topics at whose events decisions are asked for, each with the column that must not be null.
        events: the moments that the model predicts (customer_id, time_us), up to a time.
        asked: the topic and column of the moments that resemble the ones of real decisions most: a turn of a chat.
    """

    name: str
    service: str
    label: str
    horizon_us: int
    random_share: float
    activity: tuple[tuple[str, str], ...]
    events: Callable[[Archive, int], pd.DataFrame]
    asked: tuple[str, str] = ("chat_messages", "message")

    def moments(self, archive: Archive, until_us: int) -> pd.DataFrame:
        """The activity at which decisions are asked for: columns customer_id, time_us."""
        return pd.concat([_moments(archive, place, until_us) for place in self.activity], ignore_index=True)

    def decisions(self, archive: Archive, until_us: int) -> pd.DataFrame:
        """The moments that drift is to be judged by: turns of chats, or all activity where there are no chats."""
        turns = _moments(archive, self.asked, until_us)
        return self.moments(archive, until_us) if turns.empty else turns


def _moments(archive: Archive, place: tuple[str, str], until_us: int) -> pd.DataFrame:
    topic, column = place
    found = read_events(archive, topic, [column], until_us)
    return found.loc[found[column].notna(), ["customer_id", "time_us"]]


def _orders(archive: Archive, until_us: int) -> pd.DataFrame:
    return orders(read_events(archive, "purchase_events", ["order_id"], until_us))


def _complaints(archive: Archive, until_us: int) -> pd.DataFrame:
    return complaints(
        read_events(archive, "support_tickets", ["opened", "reopened"], until_us),
        read_events(archive, "feedback", ["low_csat"], until_us),
        read_events(archive, "chat_messages", ["frustration"], until_us),
    )


MODELS = (
    ModelSpec(
        name="purchase_propensity",
        service="purchase_propensity",
        label="an order within {horizon} after the decision",
        horizon_us=7 * DAY_US,
        random_share=0.5,
        activity=(("purchase_events", "order_id"), ("customer_clicks", "action"), ("chat_messages", "message")),
        events=_orders,
    ),
    ModelSpec(
        name="escalation_risk",
        service="escalation_risk",
        label=(
            "within {horizon} after the decision: a ticket opened or reopened, a CSAT of 1 or 2, "
            f"or a message with frustration of at least {FRUSTRATED}"
        ),
        horizon_us=DAY_US,
        random_share=0.1,
        activity=(("chat_messages", "message"),),
        events=_complaints,
    ),
)
