"""Tokens (JWT) of one issuer: verified with the one algorithm that is configured, and what their claims allow."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from rapport.access.caller import Caller
from rapport.access.refused import expired, unknown
from rapport.access.scopes import ALL_TENANTS, SCOPES, check_tenant
from rapport.access.token_keys import VerifyingKeys
from rapport.errors import AccessError

__all__ = ["LONGEST_TOKEN", "TokenRules", "Tokens"]

LONGEST_TOKEN = 8_192
_REMEMBERED = 4_096
_LONGEST_SUBJECT = 128


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What a token must be.

    Attributes:
        algorithm: the only one that it may be signed with: EdDSA, ES256, RS256 or HS256.
        issuer, audience: the claims `iss` and `aud`.
        tenant_claim: names the claim with the tenant.
        leeway_s: how far the issuer's clock may be off.
        rate_per_s: requests per second of a subject.
    """

    algorithm: str
    issuer: str
    audience: str
    tenant_claim: str
    leeway_s: float
    rate_per_s: float


class Tokens:
    """Verifies tokens, and remembers those that were verified by their hash until they expire.

    Args:
        rules: what a token must be.
        keys: verify its signature.
    """

    def __init__(self, rules: TokenRules, keys: VerifyingKeys) -> None:
        self._rules = rules
        self._keys = keys
        self._known: OrderedDict[bytes, tuple[float, Caller]] = OrderedDict()

    def check(self, token: str, now_s: float) -> Caller:
        """Who sent the token. `now_s`: system time, seconds since 1970.

        Raises:
            Refusal: 401, it is not this issuer's, not for this service, or not valid now.
        """
        if len(token) > LONGEST_TOKEN:
            raise unknown()
        digest = hashlib.sha256(token.encode()).digest()
        known = self._known.get(digest)
        if known is None:
            known = self._verify(token)
            self._known[digest] = known
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        until_s, caller = known
        if now_s >= until_s:
            self._known.pop(digest, None)
            raise expired("token")
        return caller

    def _verify(self, token: str) -> tuple[float, Caller]:
        import jwt

        rules = self._rules
        try:
            key = self._key(jwt.get_unverified_header(token).get("kid"))
            claims = jwt.decode(
                token,
                key,
                algorithms=[rules.algorithm],
                issuer=rules.issuer,
                audience=rules.audience,
                leeway=rules.leeway_s,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise expired("token") from None
        except (jwt.PyJWTError, KeyError, ValueError, TypeError, RecursionError):
            # whatever it is, the one who sent it learns no more
            raise unknown() from None
        return float(claims["exp"]) + rules.leeway_s, self._caller(claims)

    def _key(self, key_id: str | None) -> Any:
        """The key of an id. One that has none itself verifies tokens of any."""
        nameless = len(self._keys) == 1
        return self._keys[None if nameless else key_id]

    def _caller(self, claims: dict[str, Any]) -> Caller:
        subject, tenant, scope = claims["sub"], claims.get(self._rules.tenant_claim), claims.get("scope", "")
        given = scope.split() if isinstance(scope, str) else scope
        if not isinstance(tenant, str) or not isinstance(given, list):
            raise unknown()
        if not 1 <= len(subject) <= _LONGEST_SUBJECT:
            raise unknown()
        try:
            of_tenant = "" if tenant == ALL_TENANTS else check_tenant(tenant)
        except AccessError:
            raise unknown() from None
        # a token may have scopes of other services, too
        scopes = frozenset(scope for scope in SCOPES if scope in given)
        return Caller(f"token:{subject}", scopes, of_tenant, self._rules.rate_per_s)
