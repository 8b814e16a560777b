"""What production asks of an installation's settings. Everything that is wrong is said at once, with what to do."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from rapport.access.addresses import Address, addresses_of, is_this_machine
from rapport.access.files import open_to_others
from rapport.access.keys import KeyFile, keys_path
from rapport.access.secrets_seen import is_weak
from rapport.access.tls import certificate_problem
from rapport.access.token_keys import load_keys
from rapport.errors import AccessError, MappingError, SettingsError
from rapport.settings import Settings

__all__ = ["RISKS", "problems_of", "require_safe"]

RISKS = {
    "redis_plaintext": "customers' data travels to Redis unencrypted",
    "kafka_plaintext": "customers' data travels to Kafka unencrypted",
    "kinesis_plaintext": "customers' data travels to Kinesis unencrypted",
    "registry_plaintext": "schemas come unencrypted, and could be changed on the way",
    "mlflow_plaintext": "models come unencrypted, and could be changed on the way",
}
"""What may be accepted by name (RAPPORT_ACCEPTED_RISKS), where the network itself is encrypted, say."""

_SECRET_FILES = (
    "kafka_password_file",
    "kafka_key_file",
    "registry_password_file",
    "delivery_secret_file",
    "tls_key_file",
    "service_key_file",
)


def require_safe(settings: Settings, *, serves: bool = True) -> None:
    """Return if a process may start with these settings. In development it may unless others could reach it.

    Args:
        serves: whether it is reached over HTTP; a flow is not.

    Raises:
        SettingsError: names everything that is wrong.
    """
    if not settings.in_production:
        if serves and not is_this_machine(settings.host):
            raise SettingsError(
                f"RAPPORT_HOST={settings.host} lets others reach this service, and in development it asks nobody for a "
                "key: set RAPPORT_MODE=production, or RAPPORT_HOST=127.0.0.1"
            )
        return
    found = problems_of(settings, serves=serves)
    if found:
        listed = "".join(f"\n  - {problem}" for problem in found)
        raise SettingsError(f"RAPPORT_MODE=production does not start with {len(found)} unsafe settings:{listed}")


def problems_of(settings: Settings, *, serves: bool = True) -> list[str]:
    """What is not safe for production, a sentence each with what to do."""
    found = [*_risks(settings), *_stores(settings), *_files(settings)]
    if serves:
        found += [*_network(settings), *_callers(settings), *_webhooks(settings), *_chatbots(settings)]
    return found


def _network(settings: Settings) -> Iterator[str]:
    cert, key = settings.tls_cert_file, settings.tls_key_file
    if bool(cert) != bool(key):
        lacking = "RAPPORT_TLS_KEY_FILE" if cert else "RAPPORT_TLS_CERT_FILE"
        yield f"TLS takes a certificate and its key: set {lacking}"
    elif cert:
        problem = certificate_problem(settings.root / cert, settings.root / key, time.time())
        if problem:
            yield problem
    elif not is_this_machine(settings.host) and settings.behind_proxy != "yes":
        yield (
            f"RAPPORT_HOST={settings.host} is reached from elsewhere without TLS, so that keys and customers' data can "
            "be read on the way: set RAPPORT_TLS_CERT_FILE and RAPPORT_TLS_KEY_FILE, or RAPPORT_BEHIND_PROXY=yes where "
            "a proxy ends TLS"
        )
    if settings.own_admin_port == settings.port:
        yield "RAPPORT_ADMIN_PORT is RAPPORT_PORT: admin operations take a port of their own"


def _callers(settings: Settings) -> Iterator[str]:
    file = KeyFile(keys_path(settings))
    try:
        now_us = time.time_ns() // 1_000
        valid = any(key.state(now_us) == "valid" for key in file.read())
    except AccessError as error:
        yield f"{error}: restore it, or make keys anew"
    else:
        if not valid and not settings.jwt_algorithm:
            yield (
                f"there is no valid key in {file.path} and no RAPPORT_JWT_ALGORITHM, so nobody could call: "
                "`rapport keys create` makes a key"
            )
    if file.is_open:
        yield _too_open(file.path)
    if settings.jwt_algorithm:
        yield from _tokens(settings)


def _tokens(settings: Settings) -> Iterator[str]:
    lacking = [name for name in ("jwt_key_file", "jwt_issuer", "jwt_audience") if not getattr(settings, name)]
    if lacking:
        names = ", ".join(f"RAPPORT_{name.upper()}" for name in lacking)
        yield f"RAPPORT_JWT_ALGORITHM={settings.jwt_algorithm} also takes {names}: tokens of other services would pass"
    if not settings.jwt_key_file:
        return
    path = settings.root / settings.jwt_key_file
    try:
        keys = load_keys(settings.jwt_algorithm, path)
    except AccessError as error:
        yield str(error)
        return
    if settings.jwt_algorithm == "HS256" and is_weak(keys[None]):
        yield f"RAPPORT_JWT_KEY_FILE={path} holds a secret that can be guessed: `openssl rand -hex 32` makes a good one"
    # a public key may be read by all, and written by none
    if open_to_others(path, 0o007 if settings.jwt_algorithm == "HS256" else 0o002):
        yield _too_open(path)


def _webhooks(settings: Settings) -> Iterator[str]:
    from rapport.webhooks.sources import Sources, webhooks_folder

    sources = Sources(webhooks_folder(settings))
    sources.refresh()
    for name in sources.names():
        source = sources.get(name)
        if source is None:
            continue
        if source.mapping.signature is None:
            yield (
                f"the webhooks of {name} are unsigned, so anybody could send its events: give `signature` in "
                f"{sources.folder / name}.yaml, or remove the file"
            )
        if any(is_weak(secret) for secret in source.loaded.secrets):
            yield f"the webhooks of {name} are signed with a secret that can be guessed: agree on another one"
        for path in source.loaded.files[1:]:
            if open_to_others(path):
                yield _too_open(path)


def _chatbots(settings: Settings) -> Iterator[str]:
    """Of platforms that sign: their secrets are there, cannot be guessed, and are nobody else's to read."""
    from rapport.chatbots import load_bots

    path = settings.root / (settings.chatbots_file or "chatbots.yaml")
    try:
        loaded = load_bots(path)
    except MappingError as error:
        yield f"{error}: who sends a chatbot's requests could not be checked, so mend it, or remove the platform"
        return
    for key, secrets in loaded.secrets.items():
        if any(is_weak(secret.encode()) for secret in secrets):
            yield f"{key} in {path} names a secret that can be guessed: make a new one where the platform keeps it"
    for file in loaded.files[1:]:
        if open_to_others(file):
            yield _too_open(file)


def _stores(settings: Settings) -> Iterator[str]:
    accepted = settings.accepted_risks.split()
    for address in addresses_of(settings):
        if is_this_machine(address.host):
            continue
        yield from _one_store(address, accepted)


def _one_store(address: Address, accepted: list[str]) -> Iterator[str]:
    where = f"{address.setting} reaches {address.host}"
    if not address.encrypted and address.risk not in accepted:
        yield (
            f"{where} without TLS, {RISKS[address.risk]}: {address.remedy}, or set RAPPORT_ACCEPTED_RISKS="
            f"{address.risk} where the network is encrypted"
        )
    if not address.authenticated:
        yield f"{where} without a password: {address.login}"


def _files(settings: Settings) -> Iterator[str]:
    if open_to_others(settings.data_dir):
        yield f"others may look into {settings.data_dir}, which holds customers' data: `chmod o-rwx` it"
    for name in _SECRET_FILES:
        path = settings.root / str(getattr(settings, name))
        if getattr(settings, name) and open_to_others(path):
            yield _too_open(path)
    if settings.delivery_secret_file:
        yield from _delivery(settings.root / settings.delivery_secret_file)


def _delivery(path: Path) -> Iterator[str]:
    try:
        weak = is_weak(path.read_bytes().strip())
    except OSError:
        # who uses it says so
        return
    if weak:
        yield f"RAPPORT_DELIVERY_SECRET_FILE={path} holds a secret that can be guessed: `openssl rand -hex 32`"


def _risks(settings: Settings) -> Iterator[str]:
    unknown = [risk for risk in settings.accepted_risks.split() if risk not in RISKS]
    if unknown:
        yield f"RAPPORT_ACCEPTED_RISKS has {', '.join(unknown)}; it may have {', '.join(RISKS)}"


def _too_open(path: Path) -> str:
    return f"others may read or write {path}: `chmod o-rwx` it"
