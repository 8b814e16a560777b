"""TLS and SASL against a real broker that asks for both, and settings that cannot be right."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from rapport.bus import Message, open_bus
from rapport.bus.kafka import KafkaBus
from rapport.errors import BusError, BusUnavailable, SettingsError
from rapport.settings import load_settings
from rapport.testing.certificates import make_certificates
from rapport.testing.kafka import KafkaServer

USER, PASSWORD = "rapport", "correct horse battery"


@pytest.fixture(scope="module")
def secured(kafka_jars: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Settings with which a broker that wants TLS and SCRAM can be used."""
    from confluent_kafka.admin import (
        AdminClient,
        ScramCredentialInfo,
        ScramMechanism,
        UserScramCredentialUpsertion,
    )

    folder = tmp_path_factory.mktemp("secured")
    certificates = make_certificates(folder)
    with KafkaServer(folder / "kafka", kafka_jars, certificates=certificates) as server:
        admin = AdminClient({"bootstrap.servers": server.bootstrap})
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 8192)
        for future in admin.alter_user_scram_credentials(
            [UserScramCredentialUpsertion(USER, info, PASSWORD.encode())]
        ).values():
            future.result()
        (folder / "password").write_text(f"{PASSWORD}\n")
        (folder / "feature_store.yaml").touch()
        yield {
            "RAPPORT_ROOT": str(folder),
            "RAPPORT_BUS_URL": f"kafka://{server.secure_bootstrap}",
            "RAPPORT_KAFKA_SECURITY": "sasl_ssl",
            "RAPPORT_KAFKA_USERNAME": USER,
            "RAPPORT_KAFKA_PASSWORD_FILE": str(folder / "password"),
            "RAPPORT_KAFKA_CA_FILE": str(certificates.authority),
        }


def use(settings: dict[str, str]) -> list[bytes]:
    bus = open_bus(load_settings(settings), timeout_s=4.0)
    assert isinstance(bus, KafkaBus)
    try:
        bus.publish([Message("feedback", "k", b"secret")])
        batch = bus.reader("feedback", 0).poll(10)
        return batch.values if batch else []
    finally:
        bus.close()


def test_with_the_right_password_and_authority_the_bus_works(secured: dict[str, str]) -> None:
    assert use(secured) == [b"secret"]


def test_a_wrong_password_is_refused_and_told_to_nobody(
    secured: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "wrong").write_text("hunter2")
    with caplog.at_level(logging.DEBUG), pytest.raises(BusError) as refused:
        use(secured | {"RAPPORT_KAFKA_PASSWORD_FILE": str(tmp_path / "wrong")})
    assert "hunter2" not in caplog.text and "hunter2" not in str(refused.value)


def test_an_authority_that_did_not_sign_is_refused(secured: dict[str, str], tmp_path: Path) -> None:
    other = make_certificates(tmp_path)
    with pytest.raises(BusError):
        use(secured | {"RAPPORT_KAFKA_CA_FILE": str(other.authority)})
    with pytest.raises(BusUnavailable):
        use({name: value for name, value in secured.items() if "KAFKA" not in name})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"RAPPORT_BUS_URL": "localhost:9092"}, "write kafka://host:port"),
        ({"RAPPORT_BUS_URL": "kafka://one,two"}, "write kafka://host:port"),
        ({"RAPPORT_KAFKA_SECURITY": "tls"}, "plaintext, ssl, sasl_plaintext, sasl_ssl are allowed"),
        ({"RAPPORT_KAFKA_SASL": "GSSAPI"}, "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 are allowed"),
        ({"RAPPORT_KAFKA_SECURITY": "sasl_ssl"}, "needs RAPPORT_KAFKA_USERNAME"),
        ({"RAPPORT_KAFKA_SECURITY": "sasl_ssl", "RAPPORT_KAFKA_USERNAME": "u"}, "needs RAPPORT_KAFKA_PASSWORD_FILE"),
        ({"RAPPORT_KAFKA_USERNAME": "u"}, "RAPPORT_KAFKA_SECURITY=plaintext does not use it"),
        ({"RAPPORT_KAFKA_CA_FILE": "/nowhere"}, "RAPPORT_KAFKA_SECURITY=plaintext does not use it"),
        ({"RAPPORT_KAFKA_SECURITY": "ssl", "RAPPORT_KAFKA_CA_FILE": "/nowhere"}, "there is no file /nowhere"),
        ({"RAPPORT_KAFKA_SECURITY": "ssl", "RAPPORT_KAFKA_CERT_FILE": __file__}, "go together"),
        ({"RAPPORT_KAFKA_PREFIX": "a b"}, "letters, digits"),
        ({"RAPPORT_KAFKA_REPLICATION": "0"}, "1 to 16"),
    ],
)
def test_settings_that_cannot_be_right(changes: dict[str, str], said: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=said):
        open_bus(load_settings({"RAPPORT_BUS_URL": "kafka://localhost:9092"} | changes, root=tmp_path))


def test_a_password_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    settings = {
        "RAPPORT_BUS_URL": "kafka://localhost:9092",
        "RAPPORT_KAFKA_SECURITY": "sasl_ssl",
        "RAPPORT_KAFKA_USERNAME": "u",
        "RAPPORT_KAFKA_PASSWORD_FILE": str(tmp_path / "empty"),
    }
    bus = open_bus(load_settings(settings, root=tmp_path))
    with pytest.raises(SettingsError, match="no password in its first line"):
        bus.publish([Message("feedback", "k", b"x")])


def test_the_variable_of_the_tests_is_no_setting(tmp_path: Path) -> None:
    assert load_settings({"RAPPORT_KAFKA": "kafka://localhost:9092"}, root=tmp_path).bus_url == ""
