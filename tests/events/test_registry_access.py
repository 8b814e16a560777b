"""How a registry is reached: TLS with a certificate of its own, a user with a password from a file; what is logged."""

from __future__ import annotations

import base64
import logging
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from rapport.bus.retry import Patience, Stopped
from rapport.errors import RegistryRefused, RegistryUnavailable, SettingsError
from rapport.registry import Registry, open_registry
from rapport.settings import Settings

PASSWORD = "wide open sesame"
ANSWERS: dict[str, tuple[int, bytes]] = {
    "/schemas/ids/1": (200, b'{"schema": "{}"}'),
    "/schemas/ids/2": (404, b'{"error_code": 40403, "message": "no"}'),
    "/schemas/ids/3": (200, b'{"schema": "' + b" " * 300_000 + b'"}'),
    "/schemas/ids/4": (200, b"<html>"),
    "/schemas/ids/5": (503, b"busy"),
    "/schemas/ids/6": (429, b'{"error_code": 429, "message": "slowly"}'),
    "/schemas/ids/7": (200, b'{"schema": "{}", "references": [{"name": "a", "subject": "s/", "version": 1}]}'),
    "/subjects/s%2F/versions/1": (200, b'{"schema": "1", "references": [{"name": "a", "subject": "", "version": 1}]}'),
    "/schemas/ids/9": (301, b""),
    "/schemas/ids/10": (200, b" " * 600_000),
    "/schemas/ids/8": (200, b'{"schema": "{}", "schemaType": "XML"}'),
}  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        wanted = "Basic " + base64.b64encode(f"reader:{PASSWORD}".encode()).decode()
        allowed = self.headers.get("Authorization") == wanted
        status, body = ANSWERS.get(self.path.partition("?")[0], (404, b"")) if allowed else (401, b"")
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    made = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1")
    where = ("-keyout", str(folder / "key"), "-out", str(folder / "certificate"))
    subprocess.run(
        ["openssl", *made, *where, "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True,
        capture_output=True,
    )
    return folder / "certificate", folder / "key"


@pytest.fixture(scope="module")
def url(certificate: tuple[Path, Path]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def settings(folder: Path, url: str, **more: Any) -> Settings:
    return Settings(root=folder, data_dir=folder, registry_url=url, **more)


@pytest.fixture
def registry(url: str, certificate: tuple[Path, Path], tmp_path: Path) -> Registry:
    (tmp_path / "password").write_text(PASSWORD + "\n")
    password_file, ca_file = str(tmp_path / "password"), str(certificate[0])
    made = open_registry(
        settings(tmp_path, url, registry_user="reader", registry_password_file=password_file, registry_ca_file=ca_file)
    )
    assert made is not None
    return made


def test_a_user_over_tls(registry: Registry) -> None:
    found = registry.schema(1)
    assert found is not None and (found.kind, found.text) == ("AVRO", "{}")
    assert registry.schema(2) is None


def test_a_schema_that_refers_to_itself_is_fetched_once(registry: Registry) -> None:
    found = registry.schema(7)
    assert found is not None and found.references == {"a": "1"}


@pytest.mark.parametrize(
    ("schema_id", "error", "words"),
    [
        (3, RegistryRefused, "262,144 are allowed"),
        (4, RegistryUnavailable, "does not answer as a Schema Registry does"),
        (5, RegistryUnavailable, "answers /schemas/ids/5 with 503"),
        (6, RegistryUnavailable, "with 429: slowly"),
        (9, RegistryUnavailable, "with 301: RAPPORT_REGISTRY_URL has to be"),
        (10, RegistryRefused, "too large"),
        (8, RegistryRefused, "'XML'; AVRO, JSON, PROTOBUF are read"),
        (99, RegistryUnavailable, "RAPPORT_REGISTRY_URL has to be"),
    ],
)
def test_answers_that_are_none(registry: Registry, schema_id: int, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        registry.schema(schema_id)


def test_a_password_is_in_no_message_and_in_no_log(
    url: str, certificate: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(Stopped):
        Patience(stop).call(lambda: Registry(url, "reader", "of another door", certificate[0]).schema(1))
    assert "check RAPPORT_REGISTRY_USER" in caplog.text and "another door" not in caplog.text
    assert base64.b64encode(b"reader:of another door").decode() not in caplog.text


def test_a_certificate_that_is_not_trusted(url: str) -> None:
    with pytest.raises(RegistryUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
        Registry(url, "reader", PASSWORD).schema(1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"registry_url": "localhost:8081"}, "is no address"),
        ({"registry_url": "https://me:secret@host"}, "so that it is in no log"),
        ({"registry_password_file": "nowhere"}, "nowhere cannot be read"),
        ({"registry_ca_file": "nowhere"}, "nowhere cannot be read"),
    ],
)
def test_settings_that_cannot_be(tmp_path: Path, changes: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        open_registry(Settings(root=tmp_path, data_dir=tmp_path, **{"registry_url": "https://host", **changes}))  # type: ignore[arg-type]
    assert "secret" not in str(caught.value)


def test_without_an_address_there_is_none(tmp_path: Path) -> None:
    assert open_registry(settings(tmp_path, "")) is None
