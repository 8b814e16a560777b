"""The policy of an installation as it is now: its files followed while they change.

New files take over all at once, and only when all three are right. Otherwise those that worked go on, also after a
restart, and `problem` says what is wrong. Where none has ever worked, everybody gets a neutral answer.
"""

from __future__ import annotations

import logging
from pathlib import Path

from rapport.errors import PolicyError
from rapport.policy.bundle import DEFAULT_FOLDER, FILES, Bundle, load_bundle, parse_bundle
from rapport.policy.kept import KeptPolicies
from rapport.settings import Settings
from rapport.stamps import Stamps, stamps_of

__all__ = ["NEUTRAL", "FollowedPolicy", "policy_folder"]

_logger = logging.getLogger(__name__)

NEUTRAL = parse_bundle(
    {
        "policy": b"""
format: 1
version: neutral
actions: {answer: {description: Say the template.}}
default: {tone: neutral, template: neutral_help, next_action: answer}
rules: []
""",
        "templates": """
format: 1
version: neutral
default_locale: en
templates:
  - id: neutral_help
    text: {en: "How can I help you?", de: "Wie kann ich Ihnen helfen?", es: "¿En qué puedo ayudarle?"}
""".encode(),
        "intents": b"format: 1\nversion: neutral\nintents: []\n",
    }
)
"""What is said when no policy can be used."""


def policy_folder(settings: Settings) -> Path:
    """Where an installation's policy is: RAPPORT_POLICY_DIR, else `policy` below the root if there is such a folder,
    else the one that comes with Rapport."""
    own = settings.root / (settings.policy_dir or "policy")
    return own if settings.policy_dir or own.is_dir() else DEFAULT_FOLDER


class FollowedPolicy:
    """The policy that decides. `refresh` in one thread at a time; `bundle` may be read in any.

    Attributes:
        bundle: what decides now; NEUTRAL while nothing has worked.
        problem: why the files in the folder are not it; None when they are.
        loads: how often files took over.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._kept = KeptPolicies(settings)
        self._stamp: Stamps | None = None
        self._has_own = False
        self.bundle = NEUTRAL
        self.problem: str | None = None
        self.loads = 0
        self.refresh()
        if self.bundle is NEUTRAL:
            self._resume()

    def refresh(self) -> None:
        """Look at the files, and let them take over if they have changed and are right."""
        folder = self._folder()
        stamp = stamps_of(folder / f"{name}.yaml" for name in FILES)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            bundle = load_bundle(folder)
        except PolicyError as error:
            if self.problem != str(error):
                _logger.error("the policy's files are refused, the one before goes on: %s", error)
            self.problem = str(error)
            return
        self.problem = None
        if bundle.versions == self.bundle.versions:
            return
        self._keep(bundle)
        self.bundle = bundle
        self.loads += 1
        _logger.info("policy %s, templates %s", bundle.versions["policy"], bundle.versions["templates"])

    def _resume(self) -> None:
        """Go on with what worked last, before this process."""
        last = self._kept.last()
        if last is not None:
            self.bundle = last
            _logger.warning("the policy that worked last decides: %s", last.versions["policy"])

    def _folder(self) -> Path:
        folder = policy_folder(self._settings)
        if folder == DEFAULT_FOLDER and self._has_own:
            # an own folder that went away is a mistake, not a wish for other answers
            return self._settings.root / "policy"
        self._has_own = folder != DEFAULT_FOLDER
        return folder

    def _keep(self, bundle: Bundle) -> None:
        try:
            self._kept.keep(bundle)
        except OSError as error:
            _logger.warning("policy %s cannot be kept for replays: %s", bundle.versions["policy"], error)
