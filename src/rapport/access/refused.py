"""Credentials that are refused. The answer says what to do, and nothing that helps to guess one."""

from __future__ import annotations

from rapport.intake.refusal import Refusal

__all__ = ["expired", "missing", "unknown"]

_REALM = 'Bearer realm="rapport"'


def missing(*, basic: bool = False) -> Refusal:
    """401: there is no credential. `basic`: a browser may ask its user for one."""
    detail = "send an API key or a token: `Authorization: Bearer …`; `rapport keys create` makes a key"
    challenge = f'{_REALM}, Basic realm="rapport", charset="UTF-8"' if basic else _REALM
    return Refusal(401, "missing_credential", "Authorization", detail, {"WWW-Authenticate": challenge})


def unknown() -> Refusal:
    """401: the credential is not one that is known here, whatever is wrong with it."""
    return _invalid("bad_credential", "the key or token is not known here; check which installation it is for")


def expired(what: str) -> Refusal:
    """401: the credential was right, and is no longer; who holds it may know."""
    return _invalid("expired_credential", f"the {what} has expired or was revoked; get a new one")


def _invalid(reason: str, detail: str) -> Refusal:
    headers = {"WWW-Authenticate": f'{_REALM}, error="invalid_token"'}
    return Refusal(401, reason, "Authorization", detail, headers)
