"""Webhooks: what other systems send when something happens there, mapped to events by a small file per source."""

from rapport.webhooks.letters import PAYLOAD_TOPIC, payload_letter, resend_payloads
from rapport.webhooks.load import example_names, example_payloads, example_text, load_source
from rapport.webhooks.mapping import Signature, WebhookMapping
from rapport.webhooks.signature import sign, verify
from rapport.webhooks.sources import Source, Sources
from rapport.webhooks.translate import MappedEvent, Translation

__all__ = [
    "PAYLOAD_TOPIC",
    "MappedEvent",
    "Signature",
    "Source",
    "Sources",
    "Translation",
    "WebhookMapping",
    "example_names",
    "example_payloads",
    "example_text",
    "load_source",
    "payload_letter",
    "resend_payloads",
    "sign",
    "verify",
]
