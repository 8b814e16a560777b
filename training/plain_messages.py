"""Plain messages: what customers write when nothing is wrong. A model learns from them that such words mean no anger.

Rated dialogues of public support begin with complaints, and even a greeting looks like the beginning of one there. The
sentences are ours, written for this; none is from rated data, and none counts in a measurement.
"""

from __future__ import annotations

__all__ = ["PLAIN", "PLAIN_TARGET"]

PLAIN_TARGET = 0.15
"""Their mean rank: below that of six rated turns out of seven."""

PLAIN = (
    "hello",
    "hello there",
    "hi",
    "hi there",
    "hey",
    "good morning",
    "good evening",
    "hello, I have a question",
    "hi, can you help me?",
    "yes",
    "yes please",
    "no",
    "no, that is all",
    "ok",
    "ok, one moment please",
    "sure",
    "maybe",
    "bye",
    "goodbye",
    "where is my order",
    "where is my parcel?",
    "when will my order arrive?",
    "how long does delivery take?",
    "do you deliver to other countries?",
    "what are your opening hours?",
    "how do I return an item?",
    "can I change my delivery address?",
    "can I pay by card?",
    "how can I pay?",
    "which sizes do you have?",
    "is this available in blue?",
    "is it in stock?",
    "how much is it?",
    "what does it cost?",
    "I would like to order one",
    "I want to buy a present",
    "my order number is 12345",
    "12345",
    "my email is in my profile",
    "it is the blue one",
    "I sent you a message",
    "please send me the invoice",
    "could you send me a link?",
    "I would like to change my password",
    "can you tell me more about it?",
    "what is the difference between the two?",
    "I am looking for a jacket",
    "do you have a shop in my town?",
    "I will try that",
    "let me check",
)
