"""Who calls a bot of the Bot Framework, and as whom it answers: the connector's tokens.

A request carries a JWT: signed (RS256) with a key of the connector's, whose keys its OpenID document names; issued by
the connector, for our app, not expired; its claim `serviceurl` is the activity's, which we answer to; and where the key
is endorsed for channels, the activity's is one of them. Answers carry a token that the login gives for our password.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import httpx
import jwt
import msgspec

from rapport.chatbots.declared import BotFramework
from rapport.errors import ServiceError, SignatureRefused

__all__ = ["Connector"]

_ALGORITHM = "RS256"
_LEEWAY_S = 300
_KEYS_FOR_S = 24 * 3_600.0
_ASK_AGAIN_S = 60.0
"""An unknown key, or a failure, makes us ask for the keys again, but not more often than this."""
_SCOPE = "https://api.botframework.com/.default"
_HEADER = "Authorization"
_MAX_BYTES = 1_000_000


class Connector:
    """Keys and tokens, kept while they are good.

    Args:
        http: what asks the connector's and the login's addresses.
    """

    def __init__(self, rules: BotFramework, password: str | None, http: httpx.AsyncClient) -> None:
        self._rules = rules
        self._password = password
        self._http = http
        self._keys: dict[str, dict[str, Any]] = {}
        self._keys_at = float("-inf")
        self._asked_at = float("-inf")
        self._token = ""
        self._token_until = float("-inf")
        self._lock = asyncio.Lock()

    async def check(self, authorization: str, activity: Mapping[str, Any]) -> None:
        """Return if the connector has sent the activity to us.

        Raises:
            SignatureRefused: it has not.
            ServiceError: its keys cannot be had.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise SignatureRefused("missing_signature", _HEADER, "there is no bearer token; the connector sends one")
        try:
            key = await self._key(str(jwt.get_unverified_header(token).get("kid", "")))
            claims = jwt.decode(
                token,
                jwt.PyJWK(key, _ALGORITHM).key,
                algorithms=[_ALGORITHM],
                audience=self._rules.app_id,
                issuer=self._rules.issuer,
                leeway=_LEEWAY_S,
                options={"require": ["exp", "iss", "aud"]},
            )
        except jwt.PyJWTError as error:
            raise SignatureRefused("bad_signature", _HEADER, f"the token is refused: {type(error).__name__}") from None
        service = claims.get("serviceurl", claims.get("serviceUrl"))
        if service != activity.get("serviceUrl") or not service:
            raise SignatureRefused("bad_signature", _HEADER, "the token is for another serviceUrl than the activity's")
        endorsed = key.get("endorsements")
        if endorsed and activity.get("channelId") not in endorsed:
            raise SignatureRefused(
                "bad_signature", _HEADER, "the token's key is not endorsed for the activity's channel"
            )

    async def token(self) -> str:
        """A token to answer with.

        Raises:
            ServiceError: there is no password, or the login gives none.
        """
        if self._password is None:
            raise ServiceError("bot_framework has no password_file, which answers to the connector need")
        async with self._lock:
            if time.monotonic() < self._token_until:
                return self._token
            given = await self._ask(
                "POST",
                f"{self._rules.login_url.rstrip('/')}/{self._rules.tenant}/oauth2/v2.0/token",
                {
                    "grant_type": "client_credentials",
                    "client_id": self._rules.app_id,
                    "client_secret": self._password,
                    "scope": _SCOPE,
                },
            )
            self._token = str(given.get("access_token", ""))
            lasts_s = given.get("expires_in", 0)
            self._token_until = time.monotonic() + (lasts_s if isinstance(lasts_s, int) else 0) - _ASK_AGAIN_S
            return self._token

    async def _key(self, name: str) -> dict[str, Any]:
        async with self._lock:
            now = time.monotonic()
            wanted = name not in self._keys or now - self._keys_at > _KEYS_FOR_S
            if wanted and now - self._asked_at > _ASK_AGAIN_S:
                self._asked_at = now
                document = await self._ask("GET", self._rules.openid_url)
                keys = (await self._ask("GET", str(document.get("jwks_uri", "")))).get("keys", [])
                self._keys = {str(key.get("kid")): key for key in keys if isinstance(key, dict)}
                self._keys_at = now
        if name not in self._keys:
            raise SignatureRefused("bad_signature", _HEADER, "the token's key is not one of the connector's")
        return self._keys[name]

    async def _ask(self, method: str, url: str, form: dict[str, str] | None = None) -> dict[str, Any]:
        try:
            response = await self._http.request(method, url, data=form, timeout=self._rules.timeout_s)
            response.raise_for_status()
            return msgspec.json.decode(response.content[:_MAX_BYTES], type=dict[str, Any])
        except (httpx.HTTPError, httpx.InvalidURL, msgspec.MsgspecError) as error:
            raise ServiceError(f"{url.partition('?')[0][:200]} does not answer: {type(error).__name__}") from None
