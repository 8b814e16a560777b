"""The gate in front of every operation: who asks, may they, and not too often."""

from __future__ import annotations

import base64
import binascii
import logging
import time
from pathlib import Path
from typing import NamedTuple

from rapport.access.caller import LOCAL, Caller
from rapport.access.keys import KEY_PREFIX, KeyFile, StoredKey, keys_path, split_key
from rapport.access.limits import Headers, Limits
from rapport.access.refused import expired, missing, unknown
from rapport.access.token_keys import load_keys
from rapport.access.tokens import TokenRules, Tokens
from rapport.errors import AccessError
from rapport.settings import Settings
from rapport.stamps import stamp_of

__all__ = ["Admitted", "Gate"]

_log = logging.getLogger(__name__)


class Admitted(NamedTuple):
    """A caller that may go on, and what its answer is to tell it of its rate."""

    caller: Caller
    headers: Headers = ()


class Gate:
    """Checks credentials against the keys and the token rules of an installation. Of one thread.

    A change of the files counts after the next `refresh`. A file that has become wrong is told of in `problem`, and
    what it said before goes on; a file of keys that is gone ends all keys.
    """

    def __init__(self, settings: Settings) -> None:
        self.problem: str | None = None
        self._open = not settings.in_production
        self._file = KeyFile(keys_path(settings))
        self._rate = settings.rate_per_s
        self._rules = _rules(settings)
        self._token_path = settings.root / settings.jwt_key_file
        self._stamps: tuple[object, object] | None = None
        self._keys: dict[str, tuple[StoredKey, Caller]] = {}
        self._tokens: Tokens | None = None
        self._limits = Limits()
        self.refresh()

    def refresh(self) -> None:
        """Read the files again if they have changed."""
        stamps = stamp_of(self._file.path), stamp_of(self._token_path) if self._rules else None
        if stamps == self._stamps:
            return
        self._stamps = stamps
        try:
            keys = {key.id: (key, self._caller(key)) for key in self._file.read()}
            tokens = _tokens(self._rules, self._token_path)
        except AccessError as error:
            self.problem = str(error)
            _log.error("the keys are not read again: %s", error)
            return
        self._keys, self._tokens, self.problem = keys, tokens, None

    def admit(self, authorization: str | None, scope: str, *, basic: bool = False) -> Admitted:
        """Let a request through.

        Args:
            authorization: its header.
            scope: what it needs.
            basic: whether a browser's user may give the key as a password.

        Raises:
            Refusal: 401 no credential, or not a valid one; 403 the scope is missing; 429 too many.
        """
        if authorization is None and self._open:
            return Admitted(LOCAL)
        caller = self._recognize(_credential(authorization, basic), time.time())
        caller.require_scope(scope)
        return Admitted(caller, self._limits.take(caller, time.monotonic()))

    def charge(self, caller: Caller, count: int) -> Headers:
        """Count a request that was let through as `count` in all; what is left of the caller's rate.

        Raises:
            Refusal: 429 too many; 400 more than the caller may ever send at once.
        """
        return self._limits.take(caller, time.monotonic(), count, counted=1)

    def _recognize(self, credential: str, now_s: float) -> Caller:
        if not credential.startswith(KEY_PREFIX):
            if self._tokens is None:
                raise unknown()
            return self._tokens.check(credential, now_s)
        parts = split_key(credential)
        key, caller = self._keys.get(parts[0], (None, None)) if parts else (None, None)
        if parts is None or key is None or caller is None or not key.fits(parts[1]):
            raise unknown()
        if key.state(int(now_s * 1e6)) != "valid":
            raise expired("key")
        return caller

    def _caller(self, key: StoredKey) -> Caller:
        return Caller(f"key:{key.id}", frozenset(key.scopes), key.tenant, key.rate_per_s or self._rate)


def _credential(authorization: str | None, basic: bool) -> str:
    """What the header gives: the part after `Bearer`, or the password after `Basic`."""
    if not authorization:
        raise missing(basic=basic)
    kind, _, rest = authorization.partition(" ")
    if kind.lower() == "bearer":
        return rest.strip()
    if basic and kind.lower() == "basic":
        try:
            return base64.b64decode(rest, validate=True).decode("ascii").partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            raise unknown() from None
    raise missing(basic=basic)


def _rules(settings: Settings) -> TokenRules | None:
    if not settings.jwt_algorithm:
        return None
    return TokenRules(
        settings.jwt_algorithm,
        settings.jwt_issuer,
        settings.jwt_audience,
        settings.jwt_tenant_claim,
        settings.jwt_leeway_s,
        settings.rate_per_s,
    )


def _tokens(rules: TokenRules | None, path: Path) -> Tokens | None:
    return Tokens(rules, load_keys(rules.algorithm, path)) if rules else None
