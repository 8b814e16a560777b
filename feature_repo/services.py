"""Which features go together: one service per model, and the one that a decision reads."""

from feast import FeatureService

from feature_repo.views import carts, click_activity, conversation, profile, purchases, rfm, satisfaction, tickets

purchase_propensity = FeatureService(
    name="purchase_propensity",
    description="Features of the model that scores: will the customer order soon",
    features=[
        click_activity,
        carts[
            [
                "cart_adds_1h",
                "cart_adds_1d",
                "cart_removes_1d",
                "checkouts_1d",
                "cart_micros_1d",
                "since_cart_add_s",
                "since_checkout_s",
            ]
        ],
        purchases,
        rfm[["recency_s", "frequency", "monetary_micros", "order_days"]],
    ],
)

escalation_risk = FeatureService(
    name="escalation_risk",
    description="Features of the model that scores: will this end with a complaint",
    features=[
        conversation,
        tickets,
        satisfaction,
        purchases[["orders_90d", "refund_micros_90d"]],
        rfm[["recency_s", "frequency"]],
    ],
)

segments = FeatureService(
    name="segments",
    description="What the segments are made of: RFM, and the counts of recent activity that are clustered",
    features=[
        rfm[["recency_s", "frequency", "monetary_micros"]],
        click_activity[["clicks_1d", "clicks_30d"]],
        carts[["cart_adds_1d"]],
        purchases[["orders_30d"]],
        conversation[["messages_30d"]],
        tickets[["tickets_opened_30d"]],
    ],
)

personalization = FeatureService(
    name="personalization",
    description="Everything that a decision reads, in one round trip",
    features=[click_activity, carts, purchases, rfm, conversation, tickets, satisfaction, profile],
)
