"""What a caller may be allowed to do. A route asks for one scope; a key or a token has several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rapport.errors import AccessError

__all__ = ["ALL_TENANTS", "METRICS_READ", "OF_INSTALLATION", "SCOPES", "check_scopes", "check_tenant"]

METRICS_READ = "metrics:read"
_INFER = "models:infer"
_ADMIN = "admin"

SCOPES: Mapping[str, str] = {
    "decide": "ask for decisions",
    "events:write": "give events",
    "feedback:write": "give feedback",
    "decisions:read": "read decisions that were made, and why",
    _INFER: "ask the models by themselves",
    METRICS_READ: "read metrics",
    _ADMIN: "the details of health, the service's pages and its description",
}

OF_INSTALLATION = frozenset({_INFER, METRICS_READ, _ADMIN})
"""Scopes over what tells of all tenants at once, as models do that learned from all: a caller of one tenant cannot have
them."""

ALL_TENANTS = "*"
"""Written where a tenant is asked for: the whole installation."""

_LONGEST = 32
_TENANT = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")


def check_scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    """The scopes, in one order, each once.

    Raises:
        AccessError: none, or one that does not exist.
    """
    given = list(scopes)
    unknown = [scope for scope in given if scope not in SCOPES]
    if unknown or not given:
        what = f"no scope {unknown[0][:80]!r}" if unknown else "no scope is given"
        raise AccessError(f"{what}; scopes are {', '.join(SCOPES)}")
    return tuple(scope for scope in SCOPES if scope in given)


def check_tenant(tenant: str) -> str:
    """The tenant.

    Raises:
        AccessError: not a name.
    """
    if not 1 <= len(tenant) <= _LONGEST or not _TENANT.issuperset(tenant):
        raise AccessError(
            f"{tenant[:80]!r} is no tenant: 1 to {_LONGEST} of a-z, 0-9, `-` and `_`, or `{ALL_TENANTS}` for the whole "
            "installation"
        )
    return tenant
