"""Where features come from: the five event topics, and the profile that other systems push."""

from feast import FileSource, PushSource

from rapport.feast.declare import event_source

customer_clicks = event_source("customer_clicks")
purchase_events = event_source("purchase_events")
support_tickets = event_source("support_tickets")
chat_messages = event_source("chat_messages")
feedback = event_source("feedback")

profile_push = PushSource(
    name="profile_push",
    batch_source=FileSource(
        name="profile_archive",
        path=".rapport/archive/profile.parquet",
        timestamp_field="event_time",
    ),
)
