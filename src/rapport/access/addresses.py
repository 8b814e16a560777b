"""Which other machines an installation talks to, and whether encrypted and with a password."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qs, urlsplit

from rapport.settings import Settings

__all__ = ["Address", "addresses_of", "is_this_machine"]


@dataclass(frozen=True, slots=True)
class Address:
    """One server.

    Attributes:
        setting: where it is said.
        host: without port and password.
        risk: what it is to reach it unencrypted, by name.
        remedy: how it is encrypted.
        login: how it is given a password.
    """

    setting: str
    host: str
    risk: str
    encrypted: bool
    remedy: str
    authenticated: bool = True
    login: str = ""


def is_this_machine(host: str) -> bool:
    """Whether nobody on another machine is at this address, nor reaches what is bound to it."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def addresses_of(settings: Settings) -> Iterator[Address]:
    """The servers that the settings name."""
    yield from _redis("RAPPORT_REDIS_URL", settings.redis_url)
    yield from _redis("RAPPORT_STORE_URL", settings.store_url)
    yield from _bus(settings)
    for setting, url, risk in (
        ("RAPPORT_REGISTRY_URL", settings.registry_url, "registry_plaintext"),
        ("RAPPORT_MLFLOW_URI", settings.mlflow_uri, "mlflow_plaintext"),
    ):
        if url.startswith(("http://", "https://")):
            host = urlsplit(url).hostname or ""
            yield Address(setting, host, risk, url.startswith("https:"), "give an https:// address")


def _redis(setting: str, url: str) -> Iterator[Address]:
    scheme = url.partition("://")[0]
    if not scheme.startswith("redis"):
        return
    # a cluster's nodes stand behind commas
    place = urlsplit(url)
    for node in place.netloc.rpartition("@")[2].split(","):
        yield Address(
            setting,
            _host(node),
            "redis_plaintext",
            scheme.startswith("rediss"),
            f"write {'rediss' + scheme.removeprefix('redis')}://…",
            _has_password(place),
            f"give it one (requirepass, or an ACL), and write {scheme}://user:password@…",
        )


def _bus(settings: Settings) -> Iterator[Address]:
    place = urlsplit(settings.bus_url)
    if place.scheme == "kafka":
        encrypted = settings.kafka_security in ("ssl", "sasl_ssl")
        for node in place.netloc.split(","):
            yield Address(
                "RAPPORT_BUS_URL",
                _host(node),
                "kafka_plaintext",
                encrypted,
                "set RAPPORT_KAFKA_SECURITY to sasl_ssl or ssl",
                settings.kafka_security != "plaintext",
                "set RAPPORT_KAFKA_SECURITY to sasl_ssl, RAPPORT_KAFKA_USERNAME and RAPPORT_KAFKA_PASSWORD_FILE",
            )
    for endpoint in parse_qs(place.query).get("endpoint", []):
        host = urlsplit(endpoint).hostname or ""
        encrypted = endpoint.startswith("https:")
        yield Address("RAPPORT_BUS_URL", host, "kinesis_plaintext", encrypted, "give an https:// endpoint")


def _host(node: str) -> str:
    """The host of `host:port`; an IPv6 address stands in brackets."""
    return node.rpartition("]")[0].lstrip("[") if "]" in node else node.partition(":")[0]


def _has_password(place: SplitResult) -> bool:
    login = place.netloc.rpartition("@")[0]
    return bool(login.partition(":")[2]) or "password=" in place.query
