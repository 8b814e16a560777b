"""Settings: one frozen record, read from the environment once, at the entry point.

Every variable starts with `RAPPORT_`; one that is not listed here is refused, with the nearest name.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from rapport.errors import SettingsError

__all__ = ["Settings", "disable_telemetry", "find_root", "load_settings"]

_PREFIX = "RAPPORT_"
_ADMIN_OFFSET = 5
"""Those between it and the service's are taken by pages and the flows' metrics."""
_TELEMETRY_OFF = {
    "FEAST_USAGE": "False",
    "BENTOML_DO_NOT_TRACK": "True",
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What one installation of Rapport runs with. Field `x` is the environment's `RAPPORT_X`."""

    root: Path
    """The folder that holds feature_store.yaml."""
    data_dir: Path
    """Everything that Rapport writes: Redis, archive, models, MLflow, reports, logs. Default `<root>/.rapport`."""
    mode: str = "development"
    """`development` needs no key and serves this machine alone; `production` checks every request, and refuses to start
    with settings that are not safe."""
    redis_url: str = ""
    """A Redis to use (`redis://`, `rediss://`, `unix://`). Empty: Rapport starts its own in data_dir."""
    redis_memory_mb: int = 0
    """Most megabytes for the data of the Redis that Rapport starts; producers are refused from 85% on. 0: half of the
    machine's memory."""
    bus_url: str = ""
    """A Kafka cluster as the bus (`kafka://host:port,host:port`), or Kinesis for the raw topics (`kinesis://REGION`,
    `kinesis://REGION?prefix=shop.&endpoint=https://host:port`). Empty: Redis Streams in the Redis of redis_url, which
    also keeps the clock and the memory of event ids when Kafka is the bus, and all but raw events when Kinesis is."""
    kafka_prefix: str = ""
    """Put before the names of all topics, groups and transactions: several installations on one cluster."""
    kafka_replication: int = 1
    """Replicas of each partition of the topics that Rapport creates; 3 where losing a machine must lose nothing. 1 to
    16."""
    kafka_retention_h: int = 168
    """How long the topics that Rapport creates keep their records, hours."""
    kafka_security: str = "plaintext"
    """How Kafka is reached."""
    kafka_sasl: str = "SCRAM-SHA-512"
    """The SASL mechanism, with kafka_security `sasl_plaintext` or `sasl_ssl`."""
    kafka_username: str = ""
    """The SASL user."""
    kafka_password_file: str = ""
    """A file whose first line is the SASL user's password."""
    kafka_ca_file: str = ""
    """PEM certificates of the authorities that the brokers' certificates are checked against. Empty: the system's."""
    kafka_cert_file: str = ""
    """This client's PEM certificate, where the brokers ask for one."""
    kafka_key_file: str = ""
    """The private key of kafka_cert_file, PEM, not encrypted."""
    store_url: str = ""
    """Where the online store's rows are, if not in that Redis: another one, or a Redis Cluster
    (`redis+cluster://host:port,host:port`; `rediss+cluster://` with TLS). Empty: in the Redis of redis_url, with the
    bus."""
    partitions: int = 1
    """Partitions of each event topic. 1 to 256; once data has been written, `rapport partitions` changes it on the
    embedded bus."""
    workers: int = 1
    """Processes that share the partitions of all event topics for ingest and features. 1 to 64; more than there are
    partitions help only as far as there are several topics."""
    host: str = "127.0.0.1"
    """Address that the HTTP services bind."""
    port: int = 8400
    """Port of the decision service. Feast's page is at port + 1, MLflow's at port + 2, Evidently's at port + 3;
    Prometheus asks at port + 4."""
    admin_port: int = 0
    """Port of metrics, the reference and the details of health. 0: port + 5 in production; in development they are on
    port, too."""
    behind_proxy: str = "no"
    """`yes`: TLS ends at a proxy before this service, which may then bind an address that others reach without TLS."""
    tls_cert_file: str = ""
    """The services' certificate with its chain, PEM. Empty: no TLS."""
    tls_key_file: str = ""
    """The private key of tls_cert_file, PEM, not encrypted."""
    keys_file: str = ""
    """Where API keys are kept, hashed. Empty: `access/keys.json` in data_dir."""
    rate_per_s: float = 1000.0
    """Requests per second of a caller whose key has no rate of its own."""
    jwt_algorithm: str = ""
    """The one algorithm that tokens (JWT) may be signed with. Empty: no tokens are taken."""
    jwt_key_file: str = ""
    """What tokens are verified with: a public key (PEM), public keys (JWKS), or the secret of HS256."""
    jwt_issuer: str = ""
    """The issuer (`iss`) that tokens must name."""
    jwt_audience: str = ""
    """The audience (`aud`) that tokens must name."""
    jwt_tenant_claim: str = "tenant"
    """The claim with the tenant of a token, `*` for the whole installation; a token without it is refused."""
    jwt_leeway_s: int = 30
    """How far the issuer's clock may be off, seconds."""
    accepted_risks: str = ""
    """Names of risks that production accepts, as it says them when it refuses to start: `redis_plaintext
    kafka_plaintext`."""
    service_url: str = ""
    """Where Rapport's own commands reach the decision service. Empty: at host and port."""
    service_ca_file: str = ""
    """Certificates (PEM) that they trust it by. Empty: the system's."""
    service_key_file: str = ""
    """File with the API key that they send."""
    deadline_ms: int = 60
    """Time that a decision may wait for features before it answers without them; less, when the request's own deadline
    leaves less. 1 to 10,000 ms."""
    queue_ms: int = 50
    """Time that a request may wait for its turn in the service: when it has waited so long, or would with the decisions
    that are on their way, it is answered at once by the policy alone (`overloaded`). 0: any time. 0 to 10,000 ms."""
    drain_s: float = 1.0
    """Time for which the decision service, told to end, still takes requests and says that it is not ready, so that
    whoever sends to it looks for another. 0 to 60 s."""
    redis_timeout_ms: int = 50
    """Socket and connect timeout of online reads. 1 to 10,000 ms."""
    bus_max_length: int = 5_000_000
    """Records that one partition of an event topic may hold before producers are refused (HTTP 429). On Kafka: that a
    group may be behind in it."""
    policy_dir: str = ""
    """Folder of policy.yaml, templates.yaml and intents.yaml, from root. Empty: `policy`, or without such a folder the
    policy that comes with Rapport."""
    registry_url: str = ""
    """Schema Registry of events in Avro, JSON Schema and Protocol Buffers: address of Confluent's API
    (`https://host:8081`; Apicurio: with `/apis/ccompat/v7`). Empty: events are plain JSON."""
    registry_user: str = ""
    """User of the registry, for basic authentication. Empty: none."""
    registry_password_file: str = ""
    """File with that user's password."""
    registry_ca_file: str = ""
    """Certificates (PEM) to trust of a registry with TLS. Empty: the system's."""
    intake_max_lag: int = 500_000
    """Events of a topic that may wait for ingest before producers of it are refused over HTTP (429, with the time after
    which to come back)."""
    webhooks_dir: str = ""
    """Folder with the mapping files of webhooks, from root. Empty: `webhooks`."""
    chatbots_file: str = ""
    """File of the chatbot platforms that are served, from root. Empty: `chatbots.yaml`."""
    deadletters_days: int = 30
    """Days that dead letters are kept, from the arrival of what was refused; 0: until they are dropped."""
    archive_every_s: float = 5.0
    """Longest time that a checked event waits before it is appended to the archive, seconds."""
    archive_versions_days: int = 7
    """For how many days the archive can be read as it was at the end of each day; of the last hour it can be read as it
    was at any time. 0 to 3,650."""
    retention: str = ""
    """How many days of event time the archive keeps of each topic, as `chat_messages=90 customer_clicks=400`; a topic
    that is not named is kept for ever."""
    audit_every_h: float = 24.0
    """Time between two audits of the archive's topics, hours; 0: none but those that `rapport audit` makes."""
    audit_kept: int = 60
    """Audits that are kept, each a page and a JSON file."""
    audit_late_s: int = 3600
    """From this lateness on an audit counts an event as late, seconds."""
    delivery_url: str = ""
    """Where firings of triggers are posted to (`https://…`; `http://` on this machine only). Empty: nowhere."""
    delivery_secret_file: str = ""
    """File with the secret that deliveries are signed with; at least 16 bytes."""
    delivery_timeout_s: float = 5.0
    """How long that receiver may take to answer, seconds."""
    delivery_tries: int = 12
    """Tries after which a delivery has failed. 12 take about a quarter of an hour."""
    triggers_days: int = 30
    """Days that firings stay on the topic `triggers`."""
    mlflow_uri: str = ""
    """MLflow tracking and registry URI. Empty: SQLite in data_dir."""
    drift_share: float = 0.3
    """Share of drifted features from which retraining starts. 0 to 1."""
    drift_min_rows: int = 500
    """Decisions that a drift report needs before it may start retraining."""
    drift_cooldown_s: int = 3600
    """Least time between two retrainings started by drift, seconds."""
    drift_every_s: int = 300
    """Time between two drift reports of `rapport watch`, seconds."""
    drift_window_s: int = 86_400
    """How far back from the newest decision a drift report looks, seconds of the world's clock."""

    @property
    def in_production(self) -> bool:
        return self.mode == "production"

    @property
    def scheme(self) -> str:
        """Of the services' addresses."""
        return "https" if self.tls_cert_file else "http"

    @property
    def own_admin_port(self) -> int:
        """The port of admin operations; 0: they are on the service's own."""
        return self.admin_port or (self.port + _ADMIN_OFFSET if self.in_production else 0)


_LIMITS: dict[str, tuple[float, float]] = {
    "partitions": (1, 256),
    "workers": (1, 64),
    "kafka_replication": (1, 16),
    "kafka_retention_h": (1, 876_000),
    "port": (1024, 65_000),
    "admin_port": (0, 65_535),
    "rate_per_s": (0.01, 1_000_000),
    "jwt_leeway_s": (0, 300),
    "deadline_ms": (1, 10_000),
    "queue_ms": (0, 10_000),
    "drain_s": (0, 60),
    "redis_timeout_ms": (1, 10_000),
    "redis_memory_mb": (0, 100_000_000),
    "bus_max_length": (1_000, 1_000_000_000),
    "intake_max_lag": (100, 1_000_000_000),
    "deadletters_days": (0, 3_650),
    "archive_every_s": (0.05, 3_600),
    "archive_versions_days": (0, 3_650),
    "audit_every_h": (0, 8_760),
    "audit_kept": (1, 10_000),
    "audit_late_s": (1, 31_536_000),
    "delivery_timeout_s": (0.1, 60),
    "delivery_tries": (1, 100),
    "triggers_days": (1, 3_650),
    "drift_share": (0, 1),
    "drift_min_rows": (10, 100_000_000),
    "drift_cooldown_s": (0, 31_536_000),
    "drift_every_s": (1, 86_400),
    "drift_window_s": (60, 31_536_000),
}

_CHOICES: dict[str, tuple[str, ...]] = {
    "mode": ("development", "production"),
    "behind_proxy": ("no", "yes"),
    "jwt_algorithm": ("EdDSA", "ES256", "RS256", "HS256"),
    "kafka_security": ("plaintext", "ssl", "sasl_plaintext", "sasl_ssl"),
    "kafka_sasl": ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
}

_OF_TESTS = ("kafka",)
"""Variables that tests read and no installation does: RAPPORT_KAFKA is a broker to test with."""


def load_settings(env: Mapping[str, str] | None = None, *, root: Path | None = None) -> Settings:
    """Read settings from `env` (default: the process's environment).

    Args:
        env: variable name to text.
        root: the folder of feature_store.yaml; default `RAPPORT_ROOT`, else found from the current folder upwards.

    Raises:
        SettingsError: an unknown `RAPPORT_` variable, or a value that is not of its type or range.
    """
    env = os.environ if env is None else env
    names = [field.name for field in fields(Settings)]
    given = {key[len(_PREFIX) :].lower(): text for key, text in env.items() if key.startswith(_PREFIX)}
    for name in given:
        if name not in names and name not in _OF_TESTS:
            raise SettingsError(_unknown(name, names))
    where = root or (Path(given["root"]) if given.get("root") else find_root(Path.cwd()))
    values: dict[str, object] = {"root": where.resolve()}
    values["data_dir"] = Path(given.get("data_dir") or where / ".rapport").resolve()
    for field in fields(Settings):
        text = given.get(field.name, "")
        if text and field.name not in values:
            values[field.name] = _parse(field.name, str(field.type), text)
    if str(values.get("redis_url", "")).partition("://")[0].endswith("+cluster"):
        raise SettingsError(
            "RAPPORT_REDIS_URL is a cluster's address, but the bus needs one server: set RAPPORT_STORE_URL to the "
            "cluster, and RAPPORT_REDIS_URL to a server for the bus, or to nothing"
        )
    return Settings(**values)  # type: ignore[arg-type]


def find_root(start: Path) -> Path:
    """The nearest folder at or above `start` that holds feature_store.yaml.

    Raises:
        SettingsError: there is none.
    """
    for folder in (start, *start.parents):
        if (folder / "feature_store.yaml").is_file():
            return folder
    raise SettingsError(
        f"no feature_store.yaml in {start} or above it: run this inside a Rapport project, or set RAPPORT_ROOT to one"
    )


def disable_telemetry() -> None:
    """Switch off usage reporting of the libraries below. Call it before they are imported."""
    for name, value in _TELEMETRY_OFF.items():
        os.environ[name] = value


def _unknown(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {_PREFIX}{near[0].upper()}?" if near else ""
    known = ", ".join(_PREFIX + known.upper() for known in names)
    return f"unknown setting {_PREFIX}{name.upper()}{hint} Known settings: {known}"


def _parse(name: str, kind: str, text: str) -> object:
    if kind == "str":
        if name in _CHOICES and text not in _CHOICES[name]:
            raise SettingsError(f"{_PREFIX}{name.upper()}={text!r}: {', '.join(_CHOICES[name])} are allowed")
        return text
    try:
        value = int(text) if kind == "int" else float(text)
    except ValueError:
        raise SettingsError(f"{_PREFIX}{name.upper()}={text!r} is not a {kind}") from None
    low, high = _LIMITS[name]
    if not low <= value <= high:
        raise SettingsError(f"{_PREFIX}{name.upper()}={text} is out of range: {low:g} to {high:g} is allowed")
    return value
