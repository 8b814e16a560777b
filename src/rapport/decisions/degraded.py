"""The stable codes of `degraded`: what a decision had to do without.

What is normal is not a degradation: a customer with no ticket ever, a window that has emptied. Codes with a name
after a colon say which model, which view, or which part.
"""

from __future__ import annotations

from types import MappingProxyType

__all__ = [
    "CODES",
    "FEATURES_CORRUPT",
    "FEATURES_STALE",
    "FEATURES_UNAVAILABLE",
    "INTERNAL_ERROR",
    "MODEL_UNAVAILABLE",
    "NO_CONSENT",
    "NO_FEATURES",
    "NO_INPUTS",
    "NO_INTENT",
    "NO_MESSAGE",
    "NO_REASONS",
    "NO_SCORES",
    "NO_TIME",
    "OVERLOADED",
    "POLICY_UNAVAILABLE",
    "UNKNOWN_CUSTOMER",
    "cause_of",
]

UNKNOWN_CUSTOMER = "unknown_customer"
FEATURES_UNAVAILABLE = "features_unavailable"
FEATURES_CORRUPT = "features_corrupt"
FEATURES_STALE = "features_stale"
NO_CONSENT = "no_consent"
NO_INPUTS = "no_inputs"
MODEL_UNAVAILABLE = "model_unavailable"
POLICY_UNAVAILABLE = "policy_unavailable"
NO_TIME = "no_time"
NO_FEATURES = f"{NO_TIME}:features"
NO_MESSAGE = f"{NO_TIME}:message"
NO_SCORES = f"{NO_TIME}:scores"
NO_REASONS = f"{NO_TIME}:reasons"
NO_INTENT = f"{NO_TIME}:intent"
OVERLOADED = "overloaded"
INTERNAL_ERROR = "internal_error"

CODES = MappingProxyType(
    {
        UNKNOWN_CUSTOMER: "No view has anything on this customer: no scores, no segment.",
        FEATURES_UNAVAILABLE: "The online store did not answer in time: no scores, no segment.",
        f"{FEATURES_CORRUPT}:<view>": "The customer's row of this view cannot be read; the other views are used.",
        FEATURES_STALE: "Events are waiting and nobody computes features from them: values are older than they look.",
        NO_CONSENT: "The customer's profile refuses personalization: no feature was used and nothing personal logged.",
        f"{NO_INPUTS}:<model>": "Some views know this customer, but none that this model reads: no such score.",
        f"{MODEL_UNAVAILABLE}:<model>": "The model has no champion that can be used: no such score, or segment.",
        POLICY_UNAVAILABLE: "The policy's files are refused, and no other has worked: everybody gets a neutral answer.",
        f"{NO_TIME}:<part>": "The deadline of the request left no time for this part, so it was left out.",
        OVERLOADED: "More is asked than can be decided in time: answered by the policy alone, about nobody.",
        INTERNAL_ERROR: "The decision failed in an unexpected way, which the service's log tells: a neutral answer.",
    }
)
"""Code to its meaning."""


def cause_of(code: str) -> str:
    """The code without the name that follows it, as metrics count it."""
    return code.partition(":")[0]
