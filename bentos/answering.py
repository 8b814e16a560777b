"""From a situation to an answer: the policy chooses, the template is rendered. Without usable files: a neutral one."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from bentos.policy import Choice, Policy, load_policy
from bentos.templates import Templates, load_templates, parse_templates
from rapport.decisions.record import RenderedTemplate
from rapport.decisions.situation import Situation
from rapport.errors import PolicyError

__all__ = ["Answer", "Answering", "load_answering"]

_logger = logging.getLogger(__name__)
_FALLBACK = """
version: 1
default_locale: en
templates:
  - {id: neutral_help, text: {en: How can I help you?, de: Wie kann ich Ihnen helfen?, es: ¿En qué puedo ayudarle?}}
"""


@dataclass(frozen=True, slots=True)
class Answer:
    tone: str
    template_id: str
    template: RenderedTemplate
    rule: str


@dataclass(frozen=True, slots=True)
class Answering:
    """A policy and its templates. `problem` says why they are not those of the files; None when they are."""

    policy: Policy
    templates: Templates
    problem: str | None = None

    def answer(self, situation: Situation, locale: str | None) -> Answer:
        """The answer to a situation; `locale` as BCP 47, None for the default."""
        rule, choice = self.policy.choose(situation)
        text = self.templates.render(choice.template_id, locale, situation)
        return Answer(choice.tone, choice.template_id, text, rule)


def load_answering(folder: Path) -> Answering:
    """The policy in `folder`/policy.yaml with `folder`/templates.yaml; a neutral one when they are refused."""
    try:
        templates = load_templates(folder / "templates.yaml")
        return Answering(load_policy(folder / "policy.yaml", templates.by_id), templates)
    except PolicyError as error:
        _logger.error("the decision policy is refused, everybody gets a neutral answer: %s", error)
        policy = Policy((), Choice("neutral", "neutral_help"))
        return Answering(policy, parse_templates(_FALLBACK), str(error))
