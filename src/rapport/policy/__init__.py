"""The policy: declared rules, templates and intents; followed while they change, and kept for replays."""

from rapport.policy.bundle import DEFAULT_FOLDER, FILES, Answer, Bundle, load_bundle, parse_bundle
from rapport.policy.declared import TONES
from rapport.policy.following import NEUTRAL, FollowedPolicy, policy_folder
from rapport.policy.intents import Intents, parse_intents
from rapport.policy.kept import KeptPolicies
from rapport.policy.rules import Outcome, Policy, parse_policy
from rapport.policy.templates import Templates, parse_templates

__all__ = [
    "DEFAULT_FOLDER",
    "FILES",
    "NEUTRAL",
    "TONES",
    "Answer",
    "Bundle",
    "FollowedPolicy",
    "Intents",
    "KeptPolicies",
    "Outcome",
    "Policy",
    "Templates",
    "load_bundle",
    "parse_bundle",
    "parse_intents",
    "parse_policy",
    "parse_templates",
    "policy_folder",
]
