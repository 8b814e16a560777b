"""The feature views. A windowed feature is one `Aggregation`; streaming, history and serving follow from it."""

from datetime import timedelta

from feast import FeatureView, Field, StreamFeatureView
from feast.aggregation import Aggregation
from feast.types import Bool, Int64, String

from feature_repo import sources
from feature_repo.entities import customer
from rapport.feast.declare import schema_of

SECONDS_10 = timedelta(seconds=10)
SECONDS_30 = timedelta(seconds=30)
MINUTE = timedelta(minutes=1)
MINUTES_5 = timedelta(minutes=5)
MINUTES_10 = timedelta(minutes=10)
HOUR = timedelta(hours=1)
HOURS_2 = timedelta(hours=2)
DAY = timedelta(days=1)
DAYS_3 = timedelta(days=3)
DAYS_30 = timedelta(days=30)
DAYS_90 = timedelta(days=90)

_click_activity = [
    Aggregation(name="clicks_5m", function="count", time_window=MINUTES_5, slide_interval=SECONDS_30),
    Aggregation(name="clicks_1h", function="count", time_window=HOUR, slide_interval=MINUTES_5),
    Aggregation(name="clicks_1d", function="count", time_window=DAY, slide_interval=HOURS_2),
    Aggregation(name="clicks_30d", function="count", time_window=DAYS_30, slide_interval=DAY),
    Aggregation(
        name="products_1h", function="count_distinct", column="product_id", time_window=HOUR, slide_interval=MINUTES_5
    ),
    Aggregation(name="since_click_s", function="time_since_last", time_window=DAYS_30, slide_interval=DAY),
]
click_activity = StreamFeatureView(
    name="click_activity",
    description="How much a customer is looking around",
    entities=[customer],
    source=sources.customer_clicks,
    timestamp_field="event_time",
    ttl=DAYS_90,
    aggregations=_click_activity,
    schema=schema_of(sources.customer_clicks, _click_activity),
)

_carts = [
    Aggregation(name="cart_adds_1h", function="count", column="cart_add", time_window=HOUR, slide_interval=MINUTES_5),
    Aggregation(name="cart_adds_1d", function="count", column="cart_add", time_window=DAY, slide_interval=HOURS_2),
    Aggregation(
        name="cart_removes_1d", function="count", column="cart_remove", time_window=DAY, slide_interval=HOURS_2
    ),
    Aggregation(name="checkouts_1d", function="count", column="checkout", time_window=DAY, slide_interval=HOURS_2),
    Aggregation(name="cart_micros_1d", function="sum", column="cart_micros", time_window=DAY, slide_interval=HOURS_2),
    Aggregation(
        name="last_cart_product", function="last", column="cart_product_id", time_window=DAYS_30, slide_interval=DAY
    ),
    Aggregation(
        name="since_cart_add_s", function="time_since_last", column="cart_add", time_window=DAYS_30, slide_interval=DAY
    ),
    Aggregation(
        name="since_checkout_s", function="time_since_last", column="checkout", time_window=DAYS_30, slide_interval=DAY
    ),
]
carts = StreamFeatureView(
    name="carts",
    description="The cart, and whether it was left: since_cart_add_s against since_checkout_s and rfm's recency_s",
    entities=[customer],
    source=sources.customer_clicks,
    timestamp_field="event_time",
    ttl=DAYS_90,
    aggregations=_carts,
    schema=schema_of(sources.customer_clicks, _carts),
)

_purchases = [
    Aggregation(
        name="orders_30d", function="count_distinct", column="order_id", time_window=DAYS_30, slide_interval=DAY
    ),
    Aggregation(
        name="orders_90d", function="count_distinct", column="order_id", time_window=DAYS_90, slide_interval=DAYS_3
    ),
    Aggregation(
        name="spend_micros_30d", function="sum", column="amount_micros", time_window=DAYS_30, slide_interval=DAY
    ),
    Aggregation(
        name="spend_micros_90d", function="sum", column="amount_micros", time_window=DAYS_90, slide_interval=DAYS_3
    ),
    Aggregation(
        name="line_micros_mean_90d", function="mean", column="amount_micros", time_window=DAYS_90, slide_interval=DAYS_3
    ),
    Aggregation(
        name="line_micros_std_90d", function="std", column="amount_micros", time_window=DAYS_90, slide_interval=DAYS_3
    ),
    Aggregation(
        name="refund_micros_90d", function="sum", column="refund_micros", time_window=DAYS_90, slide_interval=DAYS_3
    ),
    Aggregation(name="items_90d", function="sum", column="quantity", time_window=DAYS_90, slide_interval=DAYS_3),
]
purchases = StreamFeatureView(
    name="purchases",
    description="Orders, spend and refunds of the last months; money in micros",
    entities=[customer],
    source=sources.purchase_events,
    timestamp_field="event_time",
    ttl=timedelta(days=365),
    aggregations=_purchases,
    schema=schema_of(sources.purchase_events, _purchases),
)

_rfm = [
    Aggregation(name="recency_s", function="time_since_last", column="order_id"),
    Aggregation(name="frequency", function="count_distinct", column="order_id"),
    Aggregation(name="monetary_micros", function="sum", column="amount_micros"),
    Aggregation(name="first_order_day", function="first", column="order_day"),
    Aggregation(name="last_order_day", function="last", column="order_day"),
    Aggregation(name="order_days", function="count_distinct", column="order_day"),
]
rfm = StreamFeatureView(
    name="rfm",
    description="Recency, frequency and monetary value over all time; cancellations do not count",
    entities=[customer],
    source=sources.purchase_events,
    timestamp_field="event_time",
    aggregations=_rfm,
    schema=schema_of(sources.purchase_events, _rfm),
)

_conversation = [
    Aggregation(name="messages_10m", function="count", column="message", time_window=MINUTES_10, slide_interval=MINUTE),
    Aggregation(name="messages_1d", function="count", column="message", time_window=DAY, slide_interval=HOURS_2),
    Aggregation(name="messages_30d", function="count", column="message", time_window=DAYS_30, slide_interval=DAY),
    Aggregation(name="queries_10m", function="count", column="query", time_window=MINUTES_10, slide_interval=MINUTE),
    Aggregation(
        name="distinct_queries_10m",
        function="count_distinct",
        column="query",
        time_window=MINUTES_10,
        slide_interval=MINUTE,
    ),
    Aggregation(
        name="negative_share_1h", function="mean", column="negative", time_window=HOUR, slide_interval=MINUTES_5
    ),
    Aggregation(
        name="sentiment_mean_1h", function="mean", column="sentiment", time_window=HOUR, slide_interval=MINUTES_5
    ),
    Aggregation(
        name="frustration_mean_1h", function="mean", column="frustration", time_window=HOUR, slide_interval=MINUTES_5
    ),
    Aggregation(
        name="frustration_max_1h", function="max", column="frustration", time_window=HOUR, slide_interval=MINUTES_5
    ),
    Aggregation(
        name="frustration_mean_30d", function="mean", column="frustration", time_window=DAYS_30, slide_interval=DAY
    ),
    Aggregation(
        name="since_message_s", function="time_since_last", column="message", time_window=DAYS_30, slide_interval=DAY
    ),
]
conversation = StreamFeatureView(
    name="conversation",
    description="The state of the conversation; repeats in 10 minutes are queries_10m - distinct_queries_10m",
    entities=[customer],
    source=sources.chat_messages,
    timestamp_field="event_time",
    ttl=DAYS_90,
    aggregations=_conversation,
    schema=schema_of(sources.chat_messages, _conversation),
)

_tickets = [
    Aggregation(name="tickets_opened_30d", function="count", column="opened", time_window=DAYS_30, slide_interval=DAY),
    Aggregation(
        name="tickets_opened_90d", function="count", column="opened", time_window=DAYS_90, slide_interval=DAYS_3
    ),
    Aggregation(
        name="tickets_reopened_90d", function="count", column="reopened", time_window=DAYS_90, slide_interval=DAYS_3
    ),
    Aggregation(
        name="tickets_urgent_90d", function="count", column="urgent", time_window=DAYS_90, slide_interval=DAYS_3
    ),
    Aggregation(name="open_tickets", function="sum", column="open_change"),
    Aggregation(
        name="since_ticket_s", function="time_since_last", column="opened", time_window=DAYS_90, slide_interval=DAYS_3
    ),
]
tickets = StreamFeatureView(
    name="tickets",
    description="Support tickets opened, reopened and still open",
    entities=[customer],
    source=sources.support_tickets,
    timestamp_field="event_time",
    aggregations=_tickets,
    schema=schema_of(sources.support_tickets, _tickets),
)

_satisfaction = [
    Aggregation(name="csat_mean_90d", function="mean", column="csat", time_window=DAYS_90, slide_interval=DAYS_3),
    Aggregation(name="csat_last", function="last", column="csat", time_window=DAYS_90, slide_interval=DAYS_3),
    Aggregation(name="nps_last", function="last", column="nps", time_window=DAYS_90, slide_interval=DAYS_3),
    Aggregation(
        name="low_csat_share_90d", function="mean", column="low_csat", time_window=DAYS_90, slide_interval=DAYS_3
    ),
    Aggregation(
        name="resolved_share_90d", function="mean", column="resolved", time_window=DAYS_90, slide_interval=DAYS_3
    ),
    Aggregation(
        name="resolution_time_s_mean_90d",
        function="mean",
        column="resolution_time_s",
        time_window=DAYS_90,
        slide_interval=DAYS_3,
    ),
]
satisfaction = StreamFeatureView(
    name="satisfaction",
    description="What the customer said of earlier answers",
    entities=[customer],
    source=sources.feedback,
    timestamp_field="event_time",
    ttl=timedelta(days=180),
    aggregations=_satisfaction,
    schema=schema_of(sources.feedback, _satisfaction),
)

profile = FeatureView(
    name="profile",
    description="What other systems know of the customer; pushed, not computed",
    entities=[customer],
    source=sources.profile_push,
    schema=[
        Field(name="tier", dtype=String),
        Field(name="locale", dtype=String),
        Field(name="signup_day", dtype=Int64),
        Field(name="personalization_consent", dtype=Bool),
    ],
)
