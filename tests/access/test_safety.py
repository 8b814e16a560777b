"""Production does not start with settings that are not safe, and says all of them at once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rapport.access import KeyFile, create_key, keys_path, problems_of, require_safe
from rapport.access.addresses import is_this_machine
from rapport.access.safety import RISKS
from rapport.access.secrets_seen import is_weak
from rapport.errors import SettingsError
from rapport.processes import HELPLESS
from rapport.settings import Settings, load_settings
from rapport.testing.certificates import make_certificates
from tests.source_tree import ROOT

GOOD_SECRET = "q7Vn2xLr9KdWc3NbT6yHs1JgE5aZmP8f"
UNSIGNED = """\
name: shop
unsigned: true
time: {column: at}
customer: {column: customer}
event_id: "{id}"
events: [{topic: feedback, fields: {csat: {column: csat, type: integer}}}]
"""
SIGNED = UNSIGNED.replace("unsigned: true", "signature: {header: X-Signature, encoding: hex, secret_file: shop.secret}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An installation with a key, and all that its files are to be."""
    (tmp_path / "feature_store.yaml").touch()
    create_key(KeyFile(keys_path(production(tmp_path))), "bot", ["decide"], time.time_ns() // 1_000)
    private(tmp_path / "secret", GOOD_SECRET)
    return tmp_path


def private(path: Path, text: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def production(folder: Path, **given: str) -> Settings:
    env = {f"RAPPORT_{name.upper()}": value for name, value in given.items()}
    return load_settings({"RAPPORT_MODE": "production", **env}, root=folder)


def test_a_safe_installation(folder: Path) -> None:
    make_certificates(folder)
    assert problems_of(production(folder)) == []
    tls = {"tls_cert_file": "server.pem", "tls_key_file": "server.pem", "host": "0.0.0.0"}
    assert problems_of(production(folder, **tls)) == []
    require_safe(production(folder, host="::", behind_proxy="yes"))
    stores = {
        "redis_url": "rediss://user:word@redis.shop:6379/0",
        "store_url": "rediss+cluster://:word@a.shop:1,b.shop:2",
        "bus_url": "kafka://k1.shop:9092,k2.shop:9092",
        "kafka_security": "sasl_ssl",
        "kafka_username": "rapport",
        "kafka_password_file": "secret",
        "registry_url": "https://registry.shop",
        "mlflow_uri": "https://mlflow.shop",
        "delivery_url": "https://bot.shop",
        "delivery_secret_file": "secret",
    }
    assert problems_of(production(folder, **stores)) == []
    local = {"redis_url": "redis://127.0.0.1:6379", "bus_url": "kafka://localhost:9092", "mlflow_uri": "sqlite:///x.db"}
    assert problems_of(production(folder, **local)) == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"host": "0.0.0.0"},
            ["RAPPORT_HOST=0.0.0.0 is reached from elsewhere without TLS", "RAPPORT_BEHIND_PROXY=yes"],
        ),
        ({"host": "rapport.shop"}, ["RAPPORT_HOST=rapport.shop is reached"]),
        ({"tls_cert_file": "server.pem"}, ["set RAPPORT_TLS_KEY_FILE"]),
        ({"tls_key_file": "secret"}, ["set RAPPORT_TLS_CERT_FILE"]),
        ({"tls_cert_file": "none", "tls_key_file": "secret"}, ["cannot be used: No such file"]),
        ({"tls_cert_file": "secret", "tls_key_file": "secret"}, ["cannot be used"]),
        ({"port": "9000", "admin_port": "9000"}, ["RAPPORT_ADMIN_PORT is RAPPORT_PORT"]),
        ({"keys_file": "no/keys.json"}, ["no/keys.json and no RAPPORT_JWT_ALGORITHM, so nobody could call"]),
        ({"keys_file": "secret"}, ["is not a file of keys"]),
        ({"jwt_algorithm": "EdDSA"}, ["RAPPORT_JWT_KEY_FILE, RAPPORT_JWT_ISSUER, RAPPORT_JWT_AUDIENCE"]),
        (
            {"jwt_algorithm": "HS256", "jwt_key_file": "weak"},
            ["RAPPORT_JWT_ISSUER", "can be guessed", "weak: `chmod"],
        ),
        ({"jwt_algorithm": "RS256", "jwt_key_file": "secret"}, ["neither a public key as PEM nor a JWKS"]),
        ({"redis_url": "redis://:word@redis.shop"}, ["RAPPORT_REDIS_URL reaches redis.shop without TLS", "rediss://"]),
        ({"redis_url": "rediss://redis.shop"}, ["reaches redis.shop without a password"]),
        ({"redis_url": "redis://user@10.0.0.7:6379"}, ["10.0.0.7 without TLS", "10.0.0.7 without a password"]),
        ({"store_url": "redis+cluster://127.0.0.1:1,b.shop:2"}, ["RAPPORT_STORE_URL reaches b.shop without TLS"]),
        ({"bus_url": "kafka://127.0.0.1:9092,k.shop:9092"}, ["RAPPORT_BUS_URL reaches k.shop", "sasl_ssl"]),
        ({"bus_url": "kafka://k.shop:1", "kafka_security": "sasl_plaintext"}, ["k.shop without TLS"]),
        ({"bus_url": "kinesis://eu?endpoint=http://kin.shop:80"}, ["reaches kin.shop without TLS"]),
        ({"registry_url": "http://registry.shop"}, ["RAPPORT_REGISTRY_URL reaches registry.shop without TLS"]),
        ({"mlflow_uri": "http://mlflow.shop"}, ["models come unencrypted"]),
        ({"delivery_secret_file": "weak"}, ["RAPPORT_DELIVERY_SECRET_FILE", "can be guessed", "weak: `chmod"]),
        ({"kafka_password_file": "weak"}, ["weak: `chmod o-rwx` it"]),
        ({"service_key_file": "weak"}, ["weak: `chmod o-rwx` it"]),
        ({"accepted_risks": "everything redis_plaintext"}, ["RAPPORT_ACCEPTED_RISKS has everything; it may have"]),
    ],
)
def test_each_unsafe_setting_is_said(folder: Path, given: dict[str, str], said: list[str]) -> None:
    make_certificates(folder)
    private(folder / "weak", "secret-secret-secret-secret-secret", 0o644)
    found = "\n".join(problems_of(production(folder, **given)))
    assert all(text in found for text in said), found
    with pytest.raises(SettingsError, match="does not start with"):
        require_safe(production(folder, **given))


def test_chatbots_whose_requests_could_not_be_told(folder: Path) -> None:
    said = "chatwoot: {url: 'https://chat.example', token_file: bot.token, secret_file: bot.secret}"
    private(folder / "chatbots.yaml", said)
    private(folder / "bot.token", GOOD_SECRET)
    (problem,) = problems_of(production(folder))
    assert "chatwoot.secret_file" in problem and "bot.secret cannot be read" in problem and "mend it" in problem
    private(folder / "bot.secret", "changeme-changeme-changeme", 0o644)
    weak, open_to_all = problems_of(production(folder))
    assert "chatwoot.secret_file in" in weak and "can be guessed" in weak
    assert "bot.secret: `chmod o-rwx`" in open_to_all
    private(folder / "bot.secret", GOOD_SECRET[::-1])
    assert problems_of(production(folder)) == []
    private(folder / "bots.yaml", "teams: {}")
    (problem,) = problems_of(production(folder, chatbots_file="bots.yaml"))
    assert "bots.yaml" in problem and "teams" in problem
    assert problems_of(production(folder, chatbots_file="none.yaml")) == []


def test_webhooks_that_anybody_could_send(folder: Path) -> None:
    private(folder / "webhooks" / "shop.yaml", UNSIGNED)
    assert "the webhooks of shop are unsigned" in "".join(problems_of(production(folder)))
    private(folder / "webhooks" / "shop.yaml", SIGNED)
    secret = private(folder / "webhooks" / "shop.secret", "changeme-changeme-changeme", 0o644)
    found = "\n".join(problems_of(production(folder)))
    assert "shop are signed with a secret that can be guessed" in found and "shop.secret: `chmod" in found
    private(secret, GOOD_SECRET)
    assert problems_of(production(folder)) == []


def test_folders_and_keys_that_others_can_read(folder: Path) -> None:
    settings = production(folder)
    settings.data_dir.chmod(0o755)
    keys_path(settings).chmod(0o644)
    found = problems_of(settings)
    assert [text.partition(" ")[0] for text in found] == ["others", "others"] and len(found) == 2
    # a flow has no callers, and the same data
    assert len(problems_of(settings, serves=False)) == 1


def test_keys_that_have_all_ended_are_none(folder: Path) -> None:
    settings = production(folder, keys_file="ended.json")
    file = KeyFile(keys_path(settings))
    create_key(file, "old", ["decide"], 1_000_000, expires_us=2_000_000)
    assert "there is no valid key" in "".join(problems_of(settings))


@pytest.mark.parametrize("risk", sorted(RISKS))
def test_a_risk_can_be_accepted_by_name(folder: Path, risk: str) -> None:
    given = {
        "redis_plaintext": {"redis_url": "redis://:word@redis.shop"},
        "kafka_plaintext": {"bus_url": "kafka://k.shop:1", "kafka_security": "sasl_plaintext"},
        "kinesis_plaintext": {"bus_url": "kinesis://eu?endpoint=http://kin.shop"},
        "registry_plaintext": {"registry_url": "http://registry.shop"},
        "mlflow_plaintext": {"mlflow_uri": "http://mlflow.shop"},
    }[risk]
    (said,) = problems_of(production(folder, **given))
    assert f"RAPPORT_ACCEPTED_RISKS={risk}" in said and RISKS[risk] in said
    assert problems_of(production(folder, **given, accepted_risks=risk)) == []


def test_an_expired_certificate(folder: Path) -> None:
    from rapport.access.tls import certificate_problem

    made = make_certificates(folder).server
    assert certificate_problem(made, made, time.time()) == ""
    assert "not now: renew it" in certificate_problem(made, made, time.time() + 2 * 86_400)


def test_development_serves_this_machine_alone(folder: Path) -> None:
    require_safe(load_settings({}, root=folder))
    with pytest.raises(SettingsError, match=r"in development it asks nobody for a key: set RAPPORT_MODE=production"):
        require_safe(load_settings({"RAPPORT_HOST": "0.0.0.0"}, root=folder))


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        *((host, True) for host in ("127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost")),
        *((host, False) for host in ("0.0.0.0", "::", "10.0.0.1", "localhost.shop", "")),
    ],
)
def test_this_machine(host: str, ours: bool) -> None:
    assert is_this_machine(host) is ours


def test_weak_secrets() -> None:
    for weak in (b"", b"secret", b"x" * 64, b"changeme" * 8, b"0123456789", b"my-dev-password-1"):
        assert is_weak(weak), weak
    assert not any(is_weak(os.urandom(32).hex().encode()) for _ in range(1_000))


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["-m", "bentos"], HELPLESS),
        (["-m", "rapport.cli", "up"], 2),
        (["-m", "rapport.cli", "metrics", "--serve"], 2),
        (["-m", "bytewax.run", "flows.worker:flow(0, 1)"], 1),
    ],
)
def test_no_process_starts(folder: Path, command: list[str], code: int) -> None:
    given = {"RAPPORT_ROOT": str(folder), "RAPPORT_MODE": "production", "RAPPORT_REDIS_URL": "redis://redis.shop:6379"}
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env={**os.environ, **given}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == code, done.stderr
    assert "RAPPORT_MODE=production does not start with 2 unsafe settings" in done.stderr
    assert "redis.shop without TLS" in done.stderr and "redis.shop without a password" in done.stderr
