"""Where the webhook is, and how it is used: from the settings, checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from rapport.delivery.signing import read_secret
from rapport.errors import SettingsError
from rapport.settings import Settings

__all__ = ["Webhook", "webhook_of"]

_HERE = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class Webhook:
    """A receiver of firings.

    Attributes:
        url: where they are posted to.
        secret: what they are signed with.
        timeout_s: how long the receiver may take to answer.
        tries: after as many a delivery has failed.
    """

    url: str
    secret: bytes
    timeout_s: float
    tries: int

    def __repr__(self) -> str:
        return f"Webhook({self.url!r})"


def webhook_of(settings: Settings) -> Webhook | None:
    """The installation's webhook; None without one.

    Raises:
        SettingsError: the URL or the secret cannot be used.
    """
    if not settings.delivery_url:
        return None
    parts = urlsplit(settings.delivery_url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise SettingsError(f"RAPPORT_DELIVERY_URL={settings.delivery_url} is no address; write https://host/path")
    if parts.scheme == "http" and parts.hostname not in _HERE:
        raise SettingsError(
            f"RAPPORT_DELIVERY_URL={settings.delivery_url}: firings name customers, so they leave this machine through "
            "https only; http is for 127.0.0.1"
        )
    if parts.username or parts.password:
        raise SettingsError("RAPPORT_DELIVERY_URL holds a password; the signature says who sends, leave it out")
    if not settings.delivery_secret_file:
        raise SettingsError("RAPPORT_DELIVERY_URL is set, but not RAPPORT_DELIVERY_SECRET_FILE: name the secret's file")
    secret = read_secret(Path(settings.delivery_secret_file))
    return Webhook(settings.delivery_url, secret, settings.delivery_timeout_s, settings.delivery_tries)
