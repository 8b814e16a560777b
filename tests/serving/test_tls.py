"""TLS of both ports: real certificates, nothing older than 1.2, no plain HTTP."""

from __future__ import annotations

import socket
import ssl

import httpx
import pytest
from guarded_world import Guarded


def handshake(guarded: Guarded, port: int, **limits: ssl.TLSVersion) -> tuple[str, str]:
    """Version and cipher that a client gets."""
    context = ssl.create_default_context(cafile=guarded.authority)
    # what a client of long ago would offer
    context.set_ciphers("ALL:@SECLEVEL=0")
    for name, version in limits.items():
        setattr(context, name, version)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as wrapped,
    ):
        cipher = wrapped.cipher()
        assert cipher is not None
        return wrapped.version() or "", cipher[0]


@pytest.fixture(params=["main", "admin"])
def port(request: pytest.FixtureRequest, guarded: Guarded) -> int:
    return guarded.served.port if request.param == "main" else guarded.admin_port


def test_the_newest_version_is_spoken(guarded: Guarded, port: int) -> None:
    assert handshake(guarded, port)[0] == "TLSv1.3"


def test_the_version_before_has_ciphers_that_keep_the_past_secret(guarded: Guarded, port: int) -> None:
    version, cipher = handshake(guarded, port, maximum_version=ssl.TLSVersion.TLSv1_2)
    assert version == "TLSv1.2" and cipher.startswith("ECDHE-") and ("GCM" in cipher or "CHACHA20" in cipher)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_older_versions_are_not(guarded: Guarded, port: int) -> None:
    with pytest.raises(ssl.SSLError):
        handshake(guarded, port, minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)


def test_others_certificates_and_plain_http_get_nothing(guarded: Guarded, port: int) -> None:
    with (
        httpx.Client(trust_env=False) as stranger,
        pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        stranger.get(f"https://localhost:{port}/livez")
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"http://127.0.0.1:{port}/livez", trust_env=False)


def test_our_own_client_over_tls(guarded: Guarded) -> None:
    from rapport.client import Client
    from rapport.errors import RequestRefused, ServiceError

    key = guarded.key("client", ["decide"])
    url = guarded.served.url
    with Client(url, key="rapport_x", ca_file=guarded.authority) as client, pytest.raises(RequestRefused) as caught:
        client.personalize("ann")
    assert (caught.value.status, caught.value.reason) == (401, "bad_credential")
    with Client(url, key=key) as client, pytest.raises(ServiceError, match="CERTIFICATE_VERIFY_FAILED"):
        client.personalize("ann")
