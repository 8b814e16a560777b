"""What becomes of keys: made, revoked, rotated. The command line's words, as functions of the file."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from rapport.access.keys import KeyFile, StoredKey, new_key
from rapport.access.scopes import ALL_TENANTS, OF_INSTALLATION, check_scopes, check_tenant
from rapport.errors import AccessError

__all__ = ["create_key", "revoke_key", "rotate_key"]

_LONGEST_NAME = 80
_LOWEST_RATE, _HIGHEST_RATE = 0.01, 1_000_000.0


def create_key(
    file: KeyFile,
    name: str,
    scopes: Sequence[str],
    now_us: int,
    *,
    tenant: str = ALL_TENANTS,
    rate_per_s: float | None = None,
    expires_us: int | None = None,
) -> tuple[StoredKey, str]:
    """Make a key, and keep it; returns it with its text.

    Args:
        name: what people know it by.
        tenant: whose customers it may speak of; `*`: all.
        rate_per_s: requests per second; None: the installation's.
        expires_us: when it ends; None: never.

    Raises:
        AccessError: a value that is not allowed.
    """
    if not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable():
        raise AccessError(f"a key's name has 1 to {_LONGEST_NAME} printable characters")
    checked = check_scopes(scopes)
    of_tenant = "" if tenant == ALL_TENANTS else check_tenant(tenant)
    beyond = OF_INSTALLATION.intersection(checked)
    if of_tenant and beyond:
        raise AccessError(f"{', '.join(sorted(beyond))} tells of all tenants: leave it out, or make a key of tenant *")
    if rate_per_s is not None and not _LOWEST_RATE <= rate_per_s <= _HIGHEST_RATE:
        raise AccessError(f"a rate of {rate_per_s:g} is out of range: {_LOWEST_RATE:g} to {_HIGHEST_RATE:,.0f} per s")
    if expires_us is not None and expires_us <= now_us:
        raise AccessError("the key would have ended already: give a later time")
    key, text = new_key(name, checked, now_us, tenant=of_tenant, rate_per_s=rate_per_s, expires_us=expires_us)
    file.change(lambda keys: [*keys, key])
    return key, text


def revoke_key(file: KeyFile, key_id: str, now_us: int) -> StoredKey:
    """End a key now. One that has ended by itself is marked as revoked, too.

    Raises:
        AccessError: there is none of this id.
    """
    return _replaced(file, key_id, lambda key: msgspec.structs.replace(key, revoked_us=key.revoked_us or now_us))


def rotate_key(file: KeyFile, key_id: str, now_us: int, grace_us: int) -> tuple[StoredKey, str]:
    """Make a key that may do what another may, for as long, and let that one end after a grace; it and its text.

    Raises:
        AccessError: there is none of this id, or it has ended.
    """
    old = _found(file.read(), key_id)
    if old.state(now_us) != "valid":
        raise AccessError(f"key {key_id} is {old.state(now_us)}: make a new one with `rapport keys create`")
    lasts_us = old.expires_us - old.created_us if old.expires_us else None
    key, text = new_key(
        old.name,
        old.scopes,
        now_us,
        tenant=old.tenant,
        rate_per_s=old.rate_per_s,
        expires_us=now_us + lasts_us if lasts_us else None,
    )
    end_us = min(old.expires_us or now_us + grace_us, now_us + grace_us)

    def change(keys: list[StoredKey]) -> list[StoredKey]:
        ending = [msgspec.structs.replace(one, expires_us=end_us) if one.id == key_id else one for one in keys]
        return [*ending, key]

    file.change(change)
    return key, text


def _replaced(file: KeyFile, key_id: str, become: Callable[[StoredKey], StoredKey]) -> StoredKey:
    made: list[StoredKey] = []

    def change(keys: list[StoredKey]) -> list[StoredKey]:
        made.append(become(_found(keys, key_id)))
        return [made[0] if key.id == key_id else key for key in keys]

    file.change(change)
    return made[0]


def _found(keys: Sequence[StoredKey], key_id: str) -> StoredKey:
    for key in keys:
        if key.id == key_id:
            return key
    raise AccessError(f"no key has the id {key_id[:80]!r}: `rapport keys list` shows them")
