"""Chatbot platforms as the service serves them: a turn is decided, its message recorded afterwards, feedback taken."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import uuid
from pathlib import Path

import httpx
import msgspec

from bentos.budget import Budget
from bentos.decide import Decider
from bentos.features import FeatureGateway
from bentos.intake import Intake
from bentos.metrics import Metrics
from bentos.schemas import ContextRequest, FeedbackRequest, PersonalizeRequest, SessionData
from rapport.bus.protocol import Message
from rapport.chatbots import LoadedBots, Reply, Said, Turn, context_text, load_bots, reply_of
from rapport.chatbots.declared import DEFAULT_BOTS
from rapport.chatbots.slots import slots_of
from rapport.clock import Clock, from_us
from rapport.decisions.answers import ContextAnswer
from rapport.decisions.degraded import FEATURES_UNAVAILABLE, INTERNAL_ERROR, NO_CONSENT, NO_FEATURES, OVERLOADED
from rapport.decisions.known import Known, known_from
from rapport.errors import MappingError
from rapport.events.schema import ChatMessage
from rapport.intake.refusal import Refusal
from rapport.stamps import Stamps, stamps_of

__all__ = ["Chatbots"]

MOST_WAITING = 1_000
LAST_MESSAGES_S = 2.0
_MAX_ID = 128
_UNREAD = frozenset({FEATURES_UNAVAILABLE, NO_FEATURES, OVERLOADED, INTERNAL_ERROR})
"""Codes of decisions whose features were not read; they are not asked for a second time."""
_logger = logging.getLogger(__name__)


class Chatbots:
    """Decides turns of all platforms.

    Args:
        path: chatbots.yaml.

    Attributes:
        loaded: what it says; a file that has become wrong leaves what it said before.
        problem: what is wrong with it.
    """

    def __init__(
        self, path: Path, decider: Decider, features: FeatureGateway, intake: Intake, clock: Clock, metrics: Metrics
    ) -> None:
        self._path = path
        self._decider = decider
        self._features = features
        self._intake = intake
        self._clock = clock
        self._metrics = metrics
        self._stamp: Stamps = ()
        self._waiting: set[asyncio.Task[None]] = set()
        self._http: httpx.AsyncClient | None = None
        self.loaded = LoadedBots(DEFAULT_BOTS)
        self.problem: str | None = None

    def refresh(self) -> None:
        """Read the file if it, or one of the secrets' files, has changed.

        Raises:
            MappingError: it is wrong; what it said before goes on.
        """
        if stamps_of((self._path, *self.loaded.files)) != self._stamp:
            self.problem = None
            try:
                self.loaded = load_bots(self._path)
            except MappingError as error:
                self.problem = str(error)
            self._stamp = stamps_of((self._path, *self.loaded.files))
        if self.problem:
            raise MappingError(self.problem)

    async def decide(self, platform: str, turn: Turn, budget: Budget, *, record: bool) -> Reply:
        """The reply to a turn; its message is recorded afterwards, if `record`, unless the customer is not known by
        name or has refused personalization."""
        slots = slots_of(turn.known, self._decider.wanted_slots)
        session = SessionData(message=turn.message, channel=turn.channel, locale=turn.locale, slots=slots)
        decision = await self._decider.decide(PersonalizeRequest(turn.customer_id, session), budget)
        self._metrics.chatbots[platform, "anonymous" if turn.anonymous else "decided"] += 1
        if record and turn.message and not turn.anonymous and NO_CONSENT not in decision.degraded:
            self._record_later(platform, turn)
        return reply_of(decision)

    async def feedback(self, platform: str, turn: Turn, said: Said) -> bool:
        """Take feedback; False: nothing was said, or nobody knows by whom.

        Raises:
            Refusal: 429, 503: the bus.
        """
        if said.empty or turn.anonymous:
            self._metrics.chatbots[platform, "no_feedback"] += 1
            return False
        request = FeedbackRequest(
            turn.customer_id,
            decision_id=said.decision_id,
            conversation_id=turn.conversation_id,
            csat=said.csat,
            nps=said.nps,
            resolved=said.resolved,
        )
        await self._intake.take_feedback(request, f"{platform}:{turn.message_id}" if turn.message_id else None)
        self._metrics.chatbots[platform, "feedback"] += 1
        return True

    async def context(self, request: ContextRequest, budget: Budget) -> ContextAnswer:
        """What a language model should know. Neither logged nor counted as a decision."""
        wanted = PersonalizeRequest(request.customer_id, request.session_data)
        decision = await self._decider.decide(wanted, budget, logged=False)
        known = Known()
        if not _UNREAD.intersection(decision.degraded):
            known = await self._read(request.customer_id, budget)
        made = context_text(decision, known.features, request.budget_tokens)
        self._metrics.chatbots["context", "answered"] += 1
        return ContextAnswer(made.text, made.tokens, made.left_out, decision.degraded)

    async def _read(self, customer_id: str, budget: Budget) -> Known:
        as_of_us = self._clock.now_us()
        try:
            found = await self._features.read(customer_id, as_of_us, budget.left_s)
        except TimeoutError:
            found = None
        return known_from(found.rows, as_of_us, found.at) if found else known_from(None, as_of_us)

    @property
    def http(self) -> httpx.AsyncClient:
        """What asks platforms; made when it is first needed."""
        if self._http is None:
            self._http = httpx.AsyncClient(trust_env=False, follow_redirects=False)
        return self._http

    async def stop(self) -> None:
        """Wait a moment for the messages that are being recorded, and close connections to platforms."""
        if self._waiting:
            _, lost = await asyncio.wait(self._waiting, timeout=LAST_MESSAGES_S)
            for task in lost:
                task.cancel()
            if lost:
                _logger.warning("%d messages were not recorded before the service ended", len(lost))
        if self._http is not None:
            await self._http.aclose()

    def _record_later(self, platform: str, turn: Turn) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._metrics.chatbots[platform, "message_lost"] += 1
            return
        task = asyncio.create_task(self._record(platform, turn))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _record(self, platform: str, turn: Turn) -> None:
        event = ChatMessage(
            event_id=_event_id(platform, turn.message_id),
            customer_id=turn.customer_id,
            event_time=from_us(self._clock.now_us()),
            role="customer",
            conversation_id=turn.conversation_id or "none",
            text=turn.message or "",
            channel=turn.channel,
            locale=turn.locale,
        )
        message = Message("chat_messages", turn.customer_id, msgspec.json.encode(event), f"chatbot:{platform}")
        try:
            await self._intake.publish([message])
        except Refusal as refusal:
            self._metrics.chatbots[platform, "message_lost"] += 1
            _logger.warning("a message of %s was not recorded: %s", platform, refusal.reason)
        else:
            self._metrics.chatbots[platform, "message_recorded"] += 1
            self._metrics.events["chat_messages", "accepted"] += 1


def _event_id(platform: str, message_id: str | None) -> str:
    """The id of a message's event: the same when the platform sends it again."""
    if message_id is None:
        return f"{platform}:{uuid.uuid4().hex}"
    plain = f"{platform}:{message_id}"
    return plain if len(plain) <= _MAX_ID else f"{platform}:{hashlib.sha256(message_id.encode()).hexdigest()}"
