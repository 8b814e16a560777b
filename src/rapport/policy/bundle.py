"""Policy, templates and intents that belong together, from three files of one folder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rapport.decisions.record import Ask, Chosen, RenderedTemplate, SlotValue
from rapport.decisions.situation import Situation
from rapport.errors import PolicyError
from rapport.policy.intents import Intents, parse_intents
from rapport.policy.rules import Policy, parse_policy
from rapport.policy.templates import Templates, parse_templates

__all__ = ["DEFAULT_FOLDER", "FILES", "Answer", "Bundle", "digest_of", "load_bundle", "parse_bundle", "version_of"]

FILES = ("policy", "templates", "intents")
"""The files' names, without `.yaml`."""
DEFAULT_FOLDER = Path(__file__).parent / "default"
"""The policy that comes with Rapport, for installations that have none of their own."""
_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Answer:
    """What a policy says to a situation."""

    rule: str
    tone: str
    template_id: str
    template: RenderedTemplate
    ask: list[Ask]
    offer: Chosen | None
    next_action: Chosen


@dataclass(frozen=True, slots=True)
class Bundle:
    """Checked files.

    Attributes:
        texts: file to its bytes.
        versions: file to its declared version, a hyphen, and the beginning of its SHA-256.
    """

    policy: Policy
    templates: Templates
    intents: Intents
    texts: Mapping[str, bytes]
    versions: Mapping[str, str]

    def answer(self, situation: Situation, slots: Mapping[str, SlotValue]) -> Answer:
        """The answer to a situation, in its locale."""
        rule, outcome = self.policy.choose(situation)
        text, asks = self.templates.render(outcome.template, situation.locale, situation, slots)
        return Answer(rule, outcome.tone, outcome.template, text, asks, outcome.offer, outcome.next_action)


def load_bundle(folder: Path) -> Bundle:
    """The files of a folder.

    Raises:
        PolicyError: a file is absent or wrong; names the file, the line, the field, the value and what is allowed.
    """
    texts = {}
    for name in FILES:
        path = folder / f"{name}.yaml"
        try:
            texts[name] = path.read_bytes()
        except OSError as error:
            raise PolicyError(f"{path}: cannot be read: {error.strerror}; the folder needs all of {_NAMES}") from None
    return parse_bundle(texts, where={name: str(folder / f"{name}.yaml") for name in FILES})


def parse_bundle(texts: Mapping[str, bytes], *, where: Mapping[str, str] | None = None) -> Bundle:
    """The files with these bytes, by name. Errors as `load_bundle`.

    Args:
        where: what each is called in errors; default its name with `.yaml`.
    """
    called = where or {name: f"{name}.yaml" for name in FILES}
    templates = parse_templates(texts["templates"], where=called["templates"])
    policy = parse_policy(texts["policy"], templates.by_id, where=called["policy"])
    intents = parse_intents(texts["intents"], where=called["intents"])
    declared = {"policy": policy.version, "templates": templates.version, "intents": intents.version}
    versions = {name: version_of(declared[name], texts[name]) for name in FILES}
    return Bundle(policy, templates, intents, dict(texts), versions)


def version_of(declared: str, data: bytes) -> str:
    """A declared version with the digest of the file's bytes."""
    return f"{declared}-{digest_of(data)}"


def digest_of(data: bytes) -> str:
    """12 hexadecimal digits of the SHA-256."""
    return hashlib.sha256(data).hexdigest()[:_DIGITS]


_NAMES = ", ".join(f"{name}.yaml" for name in FILES)
