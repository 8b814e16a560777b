"""Chatbot platforms: what one of them asks becomes a turn of a conversation, and a decision becomes its answer.

Each platform is one file, of plain functions over decoded JSON; the decision service has the routes.
"""

from rapport.chatbots.context import context_text
from rapport.chatbots.declared import Bots, LoadedBots, load_bots
from rapport.chatbots.reply import Reply, reply_of
from rapport.chatbots.tokens import tokens_at_most
from rapport.chatbots.turn import Asked, Said, Turn

__all__ = [
    "Asked",
    "Bots",
    "LoadedBots",
    "Reply",
    "Said",
    "Turn",
    "context_text",
    "load_bots",
    "reply_of",
    "tokens_at_most",
]
