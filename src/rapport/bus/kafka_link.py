"""How a Kafka cluster is reached: addresses, security, and librdkafka's settings that all clients share.

Passwords are read from a file when a client is made; they are in no setting, no log and no error.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException

from rapport.errors import BusError, BusUnavailable, SettingsError
from rapport.settings import Settings

__all__ = ["KafkaLink", "link_of", "reached", "settled", "why"]

_SCHEME = "kafka://"
_SERVER = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):(\d{1,5})")
_PREFIX = re.compile(r"[A-Za-z0-9._-]{0,100}")
_log = logging.getLogger(__name__)

_REFUSED = (
    KafkaError._AUTHENTICATION,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
)
_PASSING = (
    # Who leads a partition, coordinates a group or controls the cluster is being settled, or has just been.
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError.REPLICA_NOT_AVAILABLE,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.KAFKA_STORAGE_ERROR,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError._WAIT_COORD,
    KafkaError.NOT_CONTROLLER,
    # The broker has too much to do now, or was slow.
    KafkaError.THROTTLING_QUOTA_EXCEEDED,
    KafkaError.REQUEST_TIMED_OUT,
    KafkaError.UNSTABLE_OFFSET_COMMIT,
    KafkaError.CONCURRENT_TRANSACTIONS,
)
"""Answers that are another one soon: Kafka's protocol lets a client ask again."""
_ASK_AGAIN_S = 0.05
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, repr=False)
class KafkaLink:
    """A cluster, and what names on it are ours.

    Attributes:
        servers: `host:port,host:port`.
        prefix: before every name of a topic, group or transaction.
        security: librdkafka's settings for TLS and SASL, without the password.
        password_file: whose first line is the password; None: none is needed.
        timeout_s: longest wait for an answer, seconds.
    """

    servers: str
    prefix: str = ""
    security: tuple[tuple[str, str], ...] = ()
    password_file: Path | None = None
    timeout_s: float = 5.0

    def config(self, **more: Any) -> dict[str, Any]:
        """Settings of a client; `more` have `_` for `.` in their names.

        Raises:
            SettingsError: the password's file cannot be read.
        """
        made: dict[str, Any] = {
            "bootstrap.servers": self.servers,
            "client.id": "rapport",
            # Seconds to notice a broker that is back would be seconds of delay for the events.
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 1_000,
            # A broker that is slow for once is not to be asked the same again by everybody at the same time.
            "socket.timeout.ms": max(int(self.timeout_s * 1_000), 10_000),
            "socket.connection.setup.timeout.ms": max(int(self.timeout_s * 1_000), 1_000),
            "socket.nagle.disable": True,
            "log.connection.close": False,
            "logger": _log,
            **dict(self.security),
            **{name.replace("_", "."): value for name, value in more.items()},
        }
        if self.password_file is not None:
            made["sasl.password"] = _password(self.password_file)
        return made

    def topic(self, topic: str) -> str:
        """Kafka's name of a topic."""
        return self.prefix + topic

    def group(self, group: str) -> str:
        """Kafka's name of a group of consumers."""
        return f"{self.prefix}rapport.{group}"


def link_of(settings: Settings, timeout_s: float = 5.0) -> KafkaLink:
    """The link that settings describe.

    Raises:
        SettingsError: an address, a file or a combination that cannot be right.
    """
    servers = settings.bus_url.removeprefix(_SCHEME).rstrip("/").split(",")
    if not settings.bus_url.startswith(_SCHEME) or not all(_SERVER.fullmatch(server) for server in servers):
        raise SettingsError("RAPPORT_BUS_URL is not a Kafka address: write kafka://host:port,host:port, or nothing")
    if not _PREFIX.fullmatch(settings.kafka_prefix):
        raise SettingsError(
            f"RAPPORT_KAFKA_PREFIX={settings.kafka_prefix!r}: letters, digits, '.', '_' and '-' are allowed, up to 100"
        )
    security, password_file = _security(settings)
    return KafkaLink(",".join(servers), settings.kafka_prefix, tuple(security.items()), password_file, timeout_s)


def _security(settings: Settings) -> tuple[dict[str, str], Path | None]:
    protocol, with_sasl, with_tls = (
        settings.kafka_security,
        settings.kafka_security.startswith("sasl"),
        settings.kafka_security.endswith("ssl"),
    )
    found = {"security.protocol": protocol}
    sasl = {"kafka_username": settings.kafka_username, "kafka_password_file": settings.kafka_password_file}
    tls = {name: getattr(settings, name) for name in ("kafka_ca_file", "kafka_cert_file", "kafka_key_file")}
    for wanted, given, switch in ((with_sasl, sasl, "sasl_ssl"), (with_tls, tls, "ssl or sasl_ssl")):
        for name, value in given.items():
            if value and not wanted:
                # What was meant to protect the data would be left out without a word.
                raise SettingsError(
                    f"RAPPORT_{name.upper()} is set, but RAPPORT_KAFKA_SECURITY={protocol} does not use it: set that "
                    f"to {switch}, or this to nothing"
                )
            if value and name.endswith("file") and not Path(value).is_file():
                raise SettingsError(f"RAPPORT_{name.upper()}: there is no file {value}")
    if with_sasl:
        for name, value in sasl.items():
            if not value:
                raise SettingsError(f"RAPPORT_KAFKA_SECURITY={protocol} needs RAPPORT_{name.upper()}")
        found |= {"sasl.mechanism": settings.kafka_sasl, "sasl.username": settings.kafka_username}
    if bool(settings.kafka_cert_file) != bool(settings.kafka_key_file):
        raise SettingsError("RAPPORT_KAFKA_CERT_FILE and RAPPORT_KAFKA_KEY_FILE go together: set both, or neither")
    for key, value in (
        ("ssl.ca.location", settings.kafka_ca_file),
        ("ssl.certificate.location", settings.kafka_cert_file),
        ("ssl.key.location", settings.kafka_key_file),
    ):
        if value:
            found[key] = value
    return found, Path(settings.kafka_password_file) if with_sasl else None


def _password(path: Path) -> str:
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"RAPPORT_KAFKA_PASSWORD_FILE: {path} cannot be read: {type(error).__name__}") from None
    if not lines or not lines[0]:
        raise SettingsError(f"RAPPORT_KAFKA_PASSWORD_FILE: {path} has no password in its first line")
    return lines[0]


def settled(call: Callable[[float], _T], within_s: float, before_again: Callable[[], None] = lambda: None) -> _T:
    """What Kafka answers when leaders and coordinators are settled; right after a broker's start they may not be.

    Args:
        call: asks; it is given the seconds that are left.
        within_s: how long it is asked again.
        before_again: called before each further time.

    Raises:
        KafkaException: an answer that time does not change, or the last one.
    """
    deadline = time.monotonic() + within_s
    left_s = within_s
    while True:
        try:
            return call(left_s)
        except KafkaException as error:
            left_s = deadline - _ASK_AGAIN_S - time.monotonic()
            if error.args[0].code() not in _PASSING or left_s <= 0:
                raise
        time.sleep(_ASK_AGAIN_S)
        before_again()


@contextmanager
def reached(what: str) -> Iterator[None]:
    """Kafka's errors as the bus's."""
    try:
        yield
    except KafkaException as error:
        raise why(error.args[0], what) from error


def why(error: Any, what: str) -> BusError:
    """The bus's error for Kafka's: one that a later try may cure is BusUnavailable."""
    if error.code() in _REFUSED:
        return BusError(
            f"Kafka does not let this installation in ({what}): {error.str()}; check RAPPORT_KAFKA_SECURITY, "
            "RAPPORT_KAFKA_USERNAME, the password's file and the user's rights (docs/kafka.md lists them)"
        )
    return BusUnavailable(f"Kafka does not answer ({what}): {error.str()}; are the brokers of RAPPORT_BUS_URL running?")
